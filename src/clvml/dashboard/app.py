"""The dashboard as a web application: an address per page, everything in it, and a script that it works without."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from babel import negotiate_locale
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from clvml.dashboard import pages
from clvml.dashboard.contact_plan import ContactPlan, number_text
from clvml.dashboard.downloads import as_file, filtered_for_a_tool, for_a_tool, scored_rows
from clvml.dashboard.filters import read_filter
from clvml.dashboard.guard import LOCAL, App, guarded
from clvml.dashboard.model_page import Models
from clvml.dashboard.orders import Orders
from clvml.dashboard.pages import PAGES, Links
from clvml.dashboard.plan_page import contact_plan, wish_of
from clvml.dashboard.store import Snapshot, Snapshots
from clvml.dashboard.subscriber_texts import DASHBOARD
from clvml.decide.lists import presets
from clvml.decide.playbook import playbook_text
from clvml.errors import InputError
from clvml.report.document import environment, subtitle
from clvml.report.language import LANGUAGES, Language
from clvml.report.subscriber_words import words_of

NAMES = {"en": "English", "fr": "Français", "de": "Deutsch"}
# Newer FastAPI tells OpenTelemetry what is asked, customers' ids among it, where the process or its environment is
# set up so; older one knows nothing of it.
_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
# No script in attributes, none in what is fetched, and no customers in the browser's storage. What a form says is
# wrong is shown, as every page is.
_HTMX = json.dumps(
    {
        "allowEval": False,
        "allowScriptTags": False,
        "includeIndicatorStyles": False,
        "historyCacheSize": 0,
        "refreshOnHistoryMiss": True,
        "responseHandling": [
            {"code": "(2..|400)", "swap": True},
            {"code": "...", "swap": False, "error": True},
        ],
    }
)
_KEPT = {"cache-control": "max-age=3600"}


def build_app(
    snapshots: Snapshots,
    today: Callable[[], date],
    password: str | None = None,
    hosts: tuple[str, ...] | None = LOCAL,
    orders: Orders | None = None,
    models: Models | None = None,
) -> App:
    """Return the dashboard.

    Parameters
    ----------
    snapshots : Snapshots
        Of the scored file.
    today : callable
        Tells the day, and so how old the scores are.
    password, hosts
        See `clvml.dashboard.guard.guarded`.
    orders : Orders, optional
        What the customers bought, to show it by day.
    models : Models, optional
        What the tracking store knows of the models.
    """
    # No page that describes the addresses: it would load scripts from elsewhere.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=_NO_TELEMETRY)

    @app.get("/")
    def _today(request: Request) -> Response:
        say, links, snapshot = _asked(request, snapshots)
        return _page("today.html", request, say, links, snapshot, pages.today(snapshot, say, links, today()))

    @app.get("/customers")
    def _customers(request: Request) -> Response:
        say, links, snapshot = _asked(request, snapshots)
        wanted = read_filter(request.query_params, snapshot, say)
        if wanted.least is not None and (moved := _moved(request, {"least": number_text(wanted.least)})):
            return moved
        shown = pages.customer_list(snapshot, say, links, wanted)
        return _stated(
            _page("customers.html", request, say, links, snapshot, shown), request, links.customers(wanted)
        )

    @app.get("/customers.csv")
    def _download(request: Request) -> Response:
        say, _, snapshot = _asked(request, snapshots)
        wanted = read_filter(request.query_params, snapshot, say)
        preset = _preset(request)
        return filtered_for_a_tool(snapshot, wanted, preset) if preset else scored_rows(snapshot, wanted)

    @app.get("/customer")
    def _customer(request: Request) -> Response:
        say, links, snapshot = _asked(request, snapshots)
        asked = request.query_params.get("id", "").replace("\0", "")
        if not asked:
            raise HTTPException(404)
        shown = pages.customer(snapshot, say, links, asked, orders)
        if shown is None:
            return _page("unknown.html", request, say, links, snapshot, pages.unknown(say, asked))
        return _page("customer.html", request, say, links, snapshot, shown)

    @app.get("/segments")
    def _segments(request: Request) -> Response:
        say, links, snapshot = _asked(request, snapshots)
        return _page("segments.html", request, say, links, snapshot, pages.segments(snapshot, say, links))

    @app.get("/plan")
    def _plan(request: Request) -> Response:
        say, links, snapshot = _asked(request, snapshots)
        wish, faults = wish_of(request.query_params, snapshot, say)
        if not faults and (moved := _moved(request, wish.address())):
            return moved
        shown = contact_plan(snapshot, say, links, request.query_params)
        answer = _page("plan.html", request, say, links, snapshot, shown)
        return answer if faults else _stated(answer, request, links.to("/plan", **wish.address()))

    @app.get("/plan.csv")
    def _plan_list(request: Request) -> Response:
        made, snapshot = _planned(request, snapshots)
        return for_a_tool(snapshot, made.rows(), _preset(request))

    @app.get("/plan.yaml")
    def _playbook(request: Request) -> Response:
        made, _ = _planned(request, snapshots)
        return as_file(playbook_text(made.playbook), "application/yaml", "playbook.yaml")

    @app.get("/trust")
    def _trust(request: Request) -> Response:
        say, links, snapshot = _asked(request, snapshots)
        shown = pages.evidence(snapshot, say, links, models)
        return _page("trust.html", request, say, links, snapshot, shown)

    @app.get("/style.css")
    def _style() -> Response:
        return Response(_css(), media_type="text/css", headers=_KEPT)

    @app.get("/icon.svg")
    def _icon() -> Response:
        return Response(_file("clvml.dashboard", "icon.svg"), media_type="image/svg+xml", headers=_KEPT)

    @app.get("/script.js")
    def _script() -> Response:
        return Response(_scripts(), media_type="text/javascript", headers=_KEPT)

    @app.exception_handler(InputError)
    def _unread(request: Request, error: InputError) -> Response:
        say = Language(_code(request))
        return _fault(request, say, 503, say.text("The scored file cannot be shown"), str(error))

    @app.exception_handler(HTTPException)
    def _refused(request: Request, error: HTTPException) -> Response:
        say = Language(_code(request))
        title = say.text("There is no such page")
        if error.status_code != 404:
            title = say.text("This cannot be asked")
        return _fault(request, say, error.status_code, title, "")

    @app.exception_handler(Exception)
    def _defect(request: Request, error: Exception) -> Response:
        say = Language(_code(request))
        return _fault(request, say, 500, say.text("This is a defect of clvml, and not of your input"), "")

    return guarded(app, password, hosts)


def _asked(request: Request, snapshots: Snapshots) -> tuple[Language, Links, Snapshot]:
    """Return the language, the addresses and the data for a request: one snapshot for the whole page."""
    snapshot = snapshots.newest()
    code = _code(request)
    facts = snapshot.facts
    words = words_of(facts) | DASHBOARD if facts.subscribers else {}
    return Language(code, facts.currency, words), _links(request), snapshot


def _planned(request: Request, snapshots: Snapshots) -> tuple[ContactPlan, Snapshot]:
    """Return the plan that an address asks for; what it asks for that cannot be is refused."""
    say, _, snapshot = _asked(request, snapshots)
    wish, faults = wish_of(request.query_params, snapshot, say)
    if faults:
        raise HTTPException(400)
    return snapshot.plans.plan(wish), snapshot


def _preset(request: Request) -> str:
    """Return the e-mail tool that an address asks for; empty for none."""
    preset = request.query_params.get("preset", "")
    if preset and preset not in presets():
        raise HTTPException(400)
    return preset


def _moved(request: Request, numbers: dict[str, str]) -> Response | None:
    """Lead to the address that means the same to readers of any language, where this one does not."""
    given = dict(request.query_params)
    if all(given.get(name, "").strip() in ("", text) for name, text in numbers.items()):
        return None
    said = {name: numbers.get(name, text) if text.strip() else text for name, text in given.items()}
    return RedirectResponse(f"{request.url.path}?{urlencode(said)}", 303)


def _stated(answer: HTMLResponse, request: Request, address: str) -> HTMLResponse:
    """Let the browser's address say what a form asked for, where only a part of the page is changed."""
    if "hx-request" in request.headers and "hx-boosted" not in request.headers:
        answer.headers["hx-replace-url"] = address
    return answer


def _links(request: Request) -> Links:
    lang = request.query_params.get("lang", "")
    return Links(lang if lang in LANGUAGES else "")


def _code(request: Request) -> str:
    """Return the language that the address names, else the first of the browser's that there is."""
    lang = request.query_params.get("lang", "")
    if lang in LANGUAGES:
        return lang
    wanted = []
    for part in request.headers.get("accept-language", "")[:200].split(","):
        name, _, weight = part.partition(";q=")
        try:
            wanted.append((float(weight or 1), name.strip()))
        except ValueError:
            continue
    names = [name for weight, name in sorted(wanted, key=lambda one: -one[0]) if weight > 0]
    return negotiate_locale(names, LANGUAGES, sep="-") or "en"


def _page(
    template: str,
    request: Request,
    say: Language,
    links: Links,
    snapshot: Snapshot | None,
    shown: dict[str, Any],
) -> HTMLResponse:
    path = request.url.path
    # The same page in other languages: all of its address, and another language.
    others = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
    status = shown.get("status", 200)
    return HTMLResponse(
        environment("clvml.dashboard", "clvml.report")
        .get_template(template)
        .render(
            say=say,
            text=say.text,
            lang=links.lang,
            htmx=_HTMX,
            subtitle=subtitle(snapshot.facts, say) if snapshot else None,
            menu=[(links.to(page), say.text(name), page == path) for page, name in PAGES.items()],
            languages=[
                (code, NAMES[code], urlencode([*others, ("lang", code)]), code == say.code)
                for code in LANGUAGES
            ],
            path=path,
            words_link=f"{links.to('/trust')}#words",
            **shown,
        ),
        status_code=status,
    )


def _fault(request: Request, say: Language, status: int, title: Markup, words: str) -> HTMLResponse:
    shown = {"title": title, "words": words, "status": status}
    answer = _page("fault.html", request, say, _links(request), None, shown)
    if "hx-request" in request.headers:
        # Not a part of a page: all of this one.
        answer.headers["hx-redirect"] = f"{request.url.path}?{request.url.query}"
    return answer


def _css() -> str:
    return _file("clvml.report", "report.css") + _file("clvml.dashboard", "dashboard.css")


def _scripts() -> str:
    return "".join(_file("clvml.dashboard", name, "static") for name in ("htmx-2.0.11.min.js", "pages.js"))


@cache
def _file(package: str, name: str, folder: str = "templates") -> str:
    return (files(package) / folder / name).read_text(encoding="utf-8")
