"""A converter: takes a file, works for a while, hands out the result."""

import os
import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Form, Header, HTTPException, Response, UploadFile

WORK_S = 0.5


def partner(x_api_key: Annotated[str, Header()] = "") -> None:
    """Let through who has the key."""
    if x_api_key != os.environ["API_KEY"]:
        raise HTTPException(401, "x-api-key is wrong or absent")


app = FastAPI()
converter = APIRouter(dependencies=[Depends(partner)])
jobs: dict[str, tuple[float, bytes]] = {}


@converter.post("/files", status_code=202)
async def upload(kind: Annotated[str, Form()], file: UploadFile) -> dict[str, str]:
    """Take a file and return the number of its job."""
    content = await file.read()
    if kind != "invoice" or file.content_type != "application/pdf" or content[:4] != b"%PDF":
        raise HTTPException(422, "an invoice is a PDF")
    job = str(uuid.uuid4())
    jobs[job] = (time.monotonic(), content)
    return {"job": job}


@converter.get("/jobs/{job}")
async def state(job: str) -> dict[str, Any]:
    """Say how far a job is."""
    if job not in jobs:
        raise HTTPException(404, "no such job")
    done = time.monotonic() - jobs[job][0] >= WORK_S
    return {"job": job, "state": "done" if done else "running"}


@converter.get("/jobs/{job}/result")
async def result(job: str) -> Response:
    """Return what became of the file."""
    if job not in jobs or time.monotonic() - jobs[job][0] < WORK_S:
        raise HTTPException(404, "no such result")
    return Response(jobs[job][1][::-1], media_type="application/octet-stream")


app.include_router(converter)
