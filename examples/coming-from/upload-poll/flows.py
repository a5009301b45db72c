"""One conversion: sent, asked after, fetched."""

from stressproof.flow import Part, User, read

SAMPLE = Part(read("sample.pdf"), "sample.pdf", "application/pdf")


async def convert(user: User) -> None:
    """Have a file converted within two minutes."""
    form = {"kind": "invoice", "file": SAMPLE}
    upload = await user.post("/files", multipart=form, expect=202, timeout=60)
    job = upload.json()["job"]
    for _ in range(60):
        await user.think(2)
        state = (await user.get("/jobs/{id}", job)).json()["state"]
        if state == "done":
            await user.get("/jobs/{id}/result", job)
            return
        user.check("job is alive", state in {"queued", "running"})
    user.check("done within two minutes", ok=False)
