// What is chosen: a photo, paintings, settings. Whoever shows some of it listens for "change".

/** Settings that a picture brings are another picture's: what belongs to that one is left out. */
const ANOTHERS = ["blend"];

class Chosen extends EventTarget {
  /** {name, url, part}: part is what is sent, a File or a text as job:ID/content. */
  photo = null;
  /** [{key, name, url, part, weight}] */
  styles = [];
  /** Those that somebody set: what is not there is the preset's. */
  settings = {};
  schema = { properties: {} };

  changed(what) {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }

  setPhoto(photo) {
    this.photo = photo;
    this.changed("photo");
  }

  toggleStyle(style) {
    const others = this.styles.filter((one) => one.key !== style.key);
    const was = others.length < this.styles.length;
    this.styles = was ? others : [...this.styles, { weight: 1, ...style }];
    this.changed("styles");
  }

  setStyles(styles) {
    this.styles = styles.map((style) => ({ weight: 1, ...style }));
    this.changed("styles");
  }

  /** Set one, or leave it to the preset (undefined); those that it excludes are left, too. */
  set(name, value) {
    if (value === undefined || value === "") delete this.settings[name];
    else {
      this.settings[name] = value;
      for (const other of this.schema.properties[name]?.["x-excludes"] ?? []) {
        delete this.settings[other];
      }
    }
    this.changed("settings");
  }

  /** What a setting is where nobody sets it: the preset's. */
  usual(name, settings = this.settings) {
    const presets = this.schema["x-presets"] ?? {};
    const preset = settings.preset || Object.keys(presets)[0];
    if (name === "preset") return Object.keys(presets)[0] ?? "";
    return presets[preset]?.settings[name] ?? this.schema.properties[name]?.default ?? null;
  }

  value(name) {
    return this.settings[name] ?? this.usual(name);
  }

  /** Take over all settings of a picture; those that are the preset's are left to it. */
  adopt(all) {
    const found = {};
    for (const [name, value] of Object.entries(all)) {
      if (value === null || ANOTHERS.includes(name) || !(name in this.schema.properties)) continue;
      if (name === "init" && value === "image") continue; // it began with a picture of its own
      if (same(value, this.usual(name, all))) continue;
      found[name] = value;
    }
    this.settings = found;
    this.changed("settings");
  }

  reset() {
    this.settings = {};
    this.changed("settings");
  }

  /** A job has copies of all pictures: what was another's, which may be removed, is its own now. */
  follow(id) {
    const own = (picture, name) => {
      if (typeof picture?.part !== "string" || !picture.part.startsWith("job:")) return;
      picture.part = `job:${id}/${name}`;
      picture.url = `/jobs/${id}/pictures/${name}.jpg`;
    };
    own(this.photo, "content");
    this.styles.forEach((style, index) => own(style, `style_${index + 1}`));
  }

  /** What is sent; ``begin`` is the picture to begin with. */
  body(begin = null) {
    const form = new FormData();
    const settings = { ...this.settings };
    if (this.photo) form.append("content", this.photo.part);
    for (const style of this.styles) form.append("style", style.part);
    const weights = this.styles.map((style) => style.weight);
    if (weights.some((weight) => weight !== weights[0])) settings.blend = weights;
    if (begin) {
      form.append("init_image", begin);
      delete settings.init;
    }
    form.append("settings", JSON.stringify(settings));
    return form;
  }
}

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
export const chosen = new Chosen();
