// A job's events. The browser takes them up again where they were cut off.

import { getJson } from "../api.js";

const OVER = ["paused", "done", "failed", "cancelled"];

export class Events {
  /** ``on`` has functions: job, ahead, steps, lost (it is not heard of), problem. */
  constructor(id, on) {
    this.id = id;
    this.on = on;
    this.steps = [];
    this.#open();
  }

  close() {
    this.closed = true;
    this.source.close();
  }

  #open() {
    const source = (this.source = new EventSource(`/jobs/${this.id}/events`));
    source.onopen = () => this.on.lost(false);
    source.onerror = () => {
      if (this.closed) return;
      this.on.lost(true);
      // Refused, not cut off: a request of our own hears why, or asks for the token.
      if (source.readyState === EventSource.CLOSED) this.#again();
    };
    const hear = (name, call) =>
      source.addEventListener(name, ({ data }) => !this.closed && call(JSON.parse(data)));
    hear("queue", ({ ahead }) => this.on.ahead(ahead));
    hear("status", () => this.#look());
    hear("note", () => this.#look());
    hear("step", (step) => this.#step(step));
  }

  #step(step) {
    if (!this.steps.length) requestAnimationFrame(() => this.flush());
    this.steps.push(step);
  }

  /** Tell of the steps that came since the last time. */
  flush() {
    const steps = this.steps;
    this.steps = [];
    if (steps.length && !this.closed) this.on.steps(steps);
  }

  /** How it stands now: events of the past say how it stood. */
  async #look() {
    try {
      const job = await getJson(`/jobs/${this.id}`);
      if (this.closed) return;
      this.flush();
      if (OVER.includes(job.status)) this.close();
      this.on.job(job);
    } catch (problem) {
      if (this.closed) return;
      if (problem.status === 404) this.close(); // it was removed
      this.on.problem(problem);
    }
  }

  async #again() {
    await this.#look();
    if (!this.closed) setTimeout(() => !this.closed && this.#open(), 2000);
  }
}
