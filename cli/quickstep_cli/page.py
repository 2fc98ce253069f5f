"""Options and start-up messages of the commands that serve the dashboard."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from quickstep_lab.page.feed import Feed

Port = Annotated[
    int, typer.Option(min=0, max=65_535, help="Port for the page on 127.0.0.1; 0 picks a free one.")
]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Do not open the page in the browser.")]


@contextmanager
def served(
    feed: Feed, console: Console, port: int, *, path: str = "", no_open: bool
) -> Iterator[str]:
    """Serve the page while the block runs, and open it if a user sits at a terminal.

    `path` selects the page that is opened and named first.
    """
    # A slow import that the other commands need not wait for.
    from quickstep_lab.page.server import open_in_browser, serving  # noqa: PLC0415

    with ExitStack() as stack:
        try:
            url = stack.enter_context(serving(feed, port))
        except OSError as error:
            raise typer.BadParameter(f"--port {port}: {error.strerror or error}") from None
        opened = console.is_terminal and not no_open and open_in_browser(url + path)
        seen = " (opened in the browser)" if opened else ""
        if path:
            console.print(
                f"{path.capitalize():<14}{url}{path}{seen}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            seen = ""
        console.print(f"Dashboard     {url}{seen}", markup=False, highlight=False, soft_wrap=True)
        yield url
