"""What a client sends: a job, as multipart or as JSON."""

from __future__ import annotations

import io
import json
import re
from typing import IO, Annotated, Any

from fastapi import Request
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator
from starlette.datastructures import UploadFile

from impasto.cli.serve.job.folder import Order
from impasto.cli.serve.job.masks import PREFIX
from impasto.cli.serve.paintings import paintings
from impasto.cli.serve.store.store import Store
from impasto.runtime import Settings, check_all

from .problems import Problem
from .schema import settings_schema

MOST_PARTS = 64
MOST_TEXT = 1 << 20
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Pictures = dict[str, IO[bytes]]


class Wishes(BaseModel):
    """What can be said of a job, beside its pictures."""

    model_config = ConfigDict(extra="forbid")

    settings: Annotated[dict[str, Any], WithJsonSchema(settings_schema())] = {}
    priority: int = Field(0, ge=-10, le=10, description="Higher ones are painted first.")
    deadline: Seconds | None = Field(
        None, description="Seconds from its start, after which the best picture so far is taken."
    )
    within: Seconds | None = Field(None, description="The same, from its submission.")
    attended: bool = Field(
        False, description="End the job when nobody watches it or asks for it any more."
    )


class Picture(BaseModel):
    """A picture: its file as base64, a packaged painting, or a job's result. One of the three."""

    model_config = ConfigDict(extra="forbid")

    data: Base64Bytes | None = None
    painting: str | None = None
    job: str | None = Field(
        None, description="ID: what it painted; ID/content, ID/style_1: what it was painted from."
    )
    name: str | None = Field(None, max_length=200, description="What messages call it.")

    @model_validator(mode="after")
    def one(self) -> Picture:
        """See whether it is one."""
        if sum(value is not None for value in (self.data, self.painting, self.job)) != 1:
            raise ValueError("give data, painting or job")
        return self


class JobBody(Wishes):
    """A job as JSON."""

    content: Picture | None = Field(None, description="None: a texture of the style.")
    styles: list[Picture] = Field([], max_length=16)
    init_image: Picture | None = None
    masks: dict[str, Picture] = Field(
        {},
        description="Gray pictures: style_1 is where that style is painted; others by their term.",
    )


def request_body() -> dict[str, Any]:
    """Both ways, as OpenAPI describes them."""
    file = {"type": "string", "format": "binary"}
    json_schema = JobBody.model_json_schema(ref_template="#/components/schemas/{model}")
    json_schema.pop("$defs", None)
    wishes = json_schema["properties"]
    properties = {name: wishes[name] for name in Wishes.model_fields}
    properties["settings"] = wishes["settings"]
    properties |= {
        "content": file | {"description": "The photograph; or the text job:ID or job:ID/content."},
        "style": {
            "type": "array",
            "items": file,
            "description": "Pictures to paint like; or texts: painting:NAME, job:ID/style_1.",
        },
        "init_image": file,
    }
    multipart = {
        "schema": {"type": "object", "properties": properties},
        "encoding": {"settings": {"contentType": "application/json"}},
    }
    content = {"multipart/form-data": multipart, "application/json": {"schema": json_schema}}
    return {"requestBody": {"required": True, "content": content}}


async def read_job(request: Request, store: Store) -> tuple[Order, Pictures]:
    """The job in a request.

    Raises:
        Problem: there is none.
        SettingError, ValidationError: something of it is wrong.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        body = JobBody.model_validate_json(await request.body())
        given = {"content": body.content, "init_image": body.init_image}
        given |= {f"style_{i}": style for i, style in enumerate(body.styles, start=1)}
        given |= {f"{PREFIX}{name}": mask for name, mask in body.masks.items()}
        found = {
            name: _opened(picture, _words(name), store)
            for name, picture in given.items()
            if picture
        }
        return _order(body, found)
    if kind == "multipart/form-data":
        return await _read_form(request, store)
    raise Problem(415, "send multipart/form-data, or application/json with base64")


async def _read_form(request: Request, store: Store) -> tuple[Order, Pictures]:
    form = await request.form(max_files=MOST_PARTS, max_fields=MOST_PARTS, max_part_size=MOST_TEXT)
    wishes: dict[str, Any] = {}
    found: dict[str, tuple[str, IO[bytes]]] = {}
    styles = 0
    for name, value in form.multi_items():
        if name in Wishes.model_fields and isinstance(value, str):
            wishes[name] = _json(name, value) if name == "settings" else value
            continue
        if name not in ("content", "style", "init_image") and not name.startswith(PREFIX):
            raise Problem(422, f"{name[:60]}: there is no such part", field=name[:60])
        if name == "style":
            styles += 1
            name = f"style_{styles}"
        found[name] = _part(value, _words(name), store)
    return _order(Wishes.model_validate(wishes), found)


def _order(wishes: Wishes, found: dict[str, tuple[str, IO[bytes]]]) -> tuple[Order, Pictures]:
    if not found:
        raise Problem(422, "content: there is no picture: send a photograph, a style, or both")
    for name in found:
        if name.startswith(PREFIX) and not re.fullmatch(r"mask\.[A-Za-z0-9_]{1,60}", name):
            raise Problem(422, f"{name[:60]}: no name of a mask", field="masks")
    order = Order(
        settings=check_all(Settings, wishes.settings),
        pictures={name: called for name, (called, _) in found.items()},
        priority=wishes.priority,
        deadline=wishes.deadline,
        within=wishes.within,
        attended=wishes.attended,
    )
    return order, {name: file for name, (_, file) in found.items()}


def _opened(picture: Picture, otherwise: str, store: Store) -> tuple[str, IO[bytes]]:
    if picture.data is not None:
        return _called(picture.name, otherwise), io.BytesIO(picture.data)
    if picture.painting is not None:
        return _painting(picture.painting)
    return _of_job(picture.job or "", store)


def _part(value: UploadFile | str, otherwise: str, store: Store) -> tuple[str, IO[bytes]]:
    if isinstance(value, UploadFile):
        return _called(value.filename, otherwise), value.file
    kind, _, name = value.partition(":")
    if kind == "painting":
        return _painting(name)
    if kind == "job":
        return _of_job(name, store)
    raise Problem(422, f"{value[:60]!r}: send a file, painting:NAME or job:ID")


def _painting(name: str) -> tuple[str, IO[bytes]]:
    known = paintings()
    if name not in known:
        raise Problem(422, f"there is no painting {name[:60]!r}: /styles has {', '.join(known)}")
    return name, open(known[name][1], "rb")


def _of_job(where: str, store: Store) -> tuple[str, IO[bytes]]:
    """``ID``: what a job painted; ``ID/NAME``: one of the pictures that it was given."""
    id, _, name = where.partition("/")
    row = store.get(id) if re.fullmatch("[0-9a-f]{16}", id) else None
    if row is not None and name:
        called = row.about["pictures"].get(name)
        if called is None:
            raise Problem(422, f"the job {id} was given no picture {name[:40]!r}")
        return called, open(store.folder(id).picture(name), "rb")
    if row is not None:
        folder = store.folder(id)
        for path in (folder.result, folder.preview):
            if path.exists():
                return f"the result of {id}", open(path, "rb")
    raise Problem(422, f"the job {id[:40]!r} has no picture: name one that is done")


def _words(name: str) -> str:
    """What messages call a picture that has no name of its own."""
    return f"the {name.replace('_', ' ').replace('.', ' ')}"


def _called(name: str | None, otherwise: str) -> str:
    """What a client calls a file, without what no sentence needs."""
    plain = "".join(c for c in name or "" if c.isprintable()).replace("\\", "/").rpartition("/")[2]
    return plain[:100] or otherwise


def _json(name: str, text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(422, f"{name}: no JSON: {error}", field=name) from None
    if not isinstance(found, dict):
        raise Problem(422, f"{name}: give a JSON object", field=name)
    return found
