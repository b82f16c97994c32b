"""The server of the page: this machine alone, and no page of another site."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from importlib.resources import files

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ganatomy.demo.answers import Answers
from ganatomy.errors import UserError
from ganatomy.inference.loaded import LoadedRun

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
INLINE = "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
POLICY = f"default-src 'none'; img-src 'self' data:; connect-src 'self'; {INLINE}"
"""Content security policy: the page loads nothing but its own pictures."""


class Page:
    """The answers of the server to the page's requests.

    Args:
        loaded: The run.
        largest: MB that may be dropped at once.
    """

    def __init__(self, loaded: LoadedRun, largest: float) -> None:
        self.loaded, self.largest, self.answers = loaded, largest, Answers(loaded)
        self.text = files("ganatomy.demo").joinpath("page.html").read_text(encoding="utf-8")

    async def page(self, request: Request) -> Response:
        return HTMLResponse(self.text, headers={"Content-Security-Policy": POLICY})

    async def about(self, request: Request) -> Response:
        kept, task = self.loaded.preprocessing, type(self.loaded.task).__name__.removesuffix("Task").lower()
        names = [*kept.label_classes[1:]] or [*kept.box_classes]
        return JSONResponse(
            {"run": self.loaded.name, "task": task, "classes": names, "largest": self.largest}
        )

    async def predict(self, request: Request) -> Response:
        if request.headers.get("origin", "").partition("://")[2] not in ("", request.headers["host"]):
            return _refused("another site asked; open this page itself", 403)
        if float(request.headers.get("content-length", "inf")) > self.largest * 1e6:
            return _refused(f"larger than {self.largest:g} MB; give largest=MB to the command", 413)
        async with request.form(max_files=10_000) as form:
            given = [part for part in form.getlist("file") if not isinstance(part, str)]
            dropped = [(part.filename or "", await part.read()) for part in given]
        if not dropped:
            return _refused("no file was dropped")
        try:
            key, found = await asyncio.to_thread(self.answers.add, dropped)
        except (UserError, OSError) as error:
            return _refused(" ".join(str(error).split()))
        return JSONResponse({"key": key, **await asyncio.to_thread(found.about)})

    async def picture(self, request: Request) -> Response:
        found = self.answers.kept.get(request.path_params["key"])
        if found is None:
            return _refused("it is forgotten; drop the file again", 404)
        name, place = request.path_params["name"], request.path_params["place"]
        try:
            drawn = await asyncio.to_thread(found.picture, name, place)
        except KeyError:
            return _refused("there is no such picture", 404)
        return Response(drawn, media_type="image/png")

    async def answer(self, request: Request) -> Response:
        found = self.answers.kept.get(request.path_params["key"])
        if found is None or found.predicted.file is None:
            return _refused("there is no file", 404)
        name, content = await asyncio.to_thread(found.file)
        plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
        headers = {"Content-Disposition": f'attachment; filename="{plain}"'}
        return Response(content, media_type="application/octet-stream", headers=headers)

    def application(self) -> Starlette:
        """Return the ASGI application: it answers to the names of this machine alone."""
        routes = [
            Route("/", self.page),
            Route("/about", self.about),
            Route("/predict", self.predict, methods=["POST"]),
            Route("/picture/{key}/{name}/{place:int}", self.picture),
            Route("/answer/{key}", self.answer),
        ]
        known = Middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES))
        return Starlette(routes=routes, middleware=[known])


def _refused(words: str, code: int = 400) -> Response:
    return JSONResponse({"error": words}, code)


def serve(loaded: LoadedRun, port: int, largest: float) -> int:
    """Serve the page until Ctrl-C; return the exit code.

    Args:
        loaded: The run.
        port: Port of 127.0.0.1; 0 for any that is free.
        largest: MB that may be dropped at once.

    Raises:
        UserError: The port is taken.
    """
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
        settings = uvicorn.Config(Page(loaded, largest).application(), log_level="error", lifespan="off")
        uvicorn.Server(settings).run(sockets=[listening])
    return 0
