"""An endpoint in an application of your own: two pictures in, a PNG out.

pip install fastapi uvicorn python-multipart
uvicorn endpoint:app
curl -F photo=@photo.jpg -F painting=@painting.jpg localhost:8000/paint >out.png
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response, UploadFile

from impasto.runtime import Engine, ImpastoError, Jobs, QueueFull


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """After a fork, if there is one: threads are not copied."""
    app.state.jobs = Jobs(Engine.load(), queue=8, seconds=120)
    yield
    app.state.jobs.close()


app = FastAPI(lifespan=lifespan)


@app.post("/paint")
async def paint(request: Request, photo: UploadFile, painting: UploadFile) -> Response:
    """Paint it; a client that leaves frees its place."""
    pictures = await photo.read(), await painting.read()
    try:
        job = request.app.state.jobs.submit(*pictures, size=384)
    except QueueFull as error:
        raise HTTPException(429, str(error), {"Retry-After": "30"}) from None
    except ImpastoError as error:
        raise HTTPException(422, str(error)) from None
    while not job.done():
        if await request.is_disconnected():
            job.cancel()
        await asyncio.sleep(0.2)
    file = io.BytesIO()
    job.result().save(file, format="png")
    return Response(file.getvalue(), media_type="image/png")
