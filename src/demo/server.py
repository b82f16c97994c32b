"""The server of the page: this machine alone, and no page of another site."""

from __future__ import annotations

import asyncio
import socket
import sys
from importlib.resources import files
from typing import Any

from ganatomy.demo.answers import Answers
from ganatomy.errors import UserError
from ganatomy.inference.loaded import LoadedRun

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
INLINE = "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
POLICY = f"default-src 'none'; img-src 'self' data:; connect-src 'self'; {INLINE}"
"""Content security policy: the page loads nothing but its own pictures."""


def application(loaded: LoadedRun, largest: float) -> Any:
    """Return the ASGI application of a run.

    Args:
        loaded: The run.
        largest: MB that may be dropped at once.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, JSONResponse, Response
    from starlette.routing import Route

    answers = Answers(loaded)
    text = files("ganatomy.demo").joinpath("page.html").read_text(encoding="utf-8")

    def refused(words: str, code: int = 400) -> Response:
        return JSONResponse({"error": words}, code)

    async def page(request: Request) -> Response:
        return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})

    async def about(request: Request) -> Response:
        kept, task = loaded.preprocessing, type(loaded.task).__name__.removesuffix("Task").lower()
        names = [*kept.label_classes[1:]] or [*kept.box_classes]
        return JSONResponse({"run": loaded.name, "task": task, "classes": names})

    async def predict(request: Request) -> Response:
        if request.headers.get("origin", "").partition("://")[2] not in ("", request.headers["host"]):
            return refused("another site asked; open this page itself", 403)
        if float(request.headers.get("content-length", "inf")) > largest * 1e6:
            return refused(f"larger than {largest:g} MB; give largest=MB to the command", 413)
        async with request.form(max_files=10_000) as form:
            dropped = {
                f.filename or "": await f.read() for f in form.getlist("file") if not isinstance(f, str)
            }
        if not dropped:
            return refused("no file was dropped")
        try:
            key = await asyncio.to_thread(answers.add, dropped)
        except (UserError, ValueError, OSError) as error:
            return refused(" ".join(str(error).split()))
        return JSONResponse({"key": key, **await asyncio.to_thread(answers.kept[key].about)})

    async def picture(request: Request) -> Response:
        found = answers.kept.get(request.path_params["key"])
        if found is None:
            return refused("it is forgotten; drop the file again", 404)
        try:
            drawn = await asyncio.to_thread(
                found.picture, *(request.path_params[k] for k in ("name", "place"))
            )
        except KeyError:
            return refused("there is no such picture", 404)
        return Response(drawn, media_type="image/png")

    async def answer(request: Request) -> Response:
        found = answers.kept.get(request.path_params["key"])
        if found is None or found.predicted.file is None:
            return refused("there is no file", 404)
        name, content = await asyncio.to_thread(found.file)
        plain = "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in name)
        headers = {
            "Content-Disposition": f'attachment; filename="{plain.encode("ascii", "replace").decode()}"'
        }
        return Response(content, media_type="application/octet-stream", headers=headers)

    routes = [
        Route("/", page),
        Route("/about", about),
        Route("/predict", predict, methods=["POST"]),
        Route("/picture/{key}/{name}/{place:int}", picture),
        Route("/answer/{key}", answer),
    ]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES))])


def serve(loaded: LoadedRun, port: int, largest: float) -> int:
    """Serve the page until Ctrl-C; return the exit code.

    Args:
        loaded: The run.
        port: Port of 127.0.0.1; 0 for any that is free.
        largest: MB that may be dropped at once.

    Raises:
        UserError: The port is taken, or a package is missing.
    """
    try:
        import python_multipart  # noqa: F401 - reads what is dropped
        import uvicorn
    except ImportError as error:
        raise UserError(f"demo: {error.name} is not installed; pip install 'ganatomy[demo]'") from error
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise UserError(f"port={port}: is taken; give another, or port=0 for any that is free") from error
        sys.stdout.write(
            f"demo of {loaded.name}: http://{HOST}:{listening.getsockname()[1]} (Ctrl-C ends it)\n"
        )
        sys.stdout.flush()
        settings = uvicorn.Config(application(loaded, largest), log_level="error", lifespan="off")
        uvicorn.Server(settings).run(sockets=[listening])
    return 0
