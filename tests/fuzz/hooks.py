"""What schemathesis must not do to the API, because no check of it would end or no fault would be ours: see schemathesis.toml."""

import schemathesis

# The inventory's board of an imaging server that is not there: calls about it are answered with 503, as documented.
ABSENT = "far"


@schemathesis.hook
def map_query(context, query):
    """A stream has no end, and a call for changes waits for as long as it is told: half a minute when it is told nothing."""
    if query is not None and context.operation.path == "/api/events":
        query.pop("stream", None)
        query["timeout"] = "0"
    if query is not None and context.operation.path.endswith("/log"):
        query.pop("follow", None)
    return query


@schemathesis.hook
def before_call(context, case, kwargs):
    """The same for calls that other phases make, and a board in place of one whose server is not there."""
    names = dict(case.path_parameters or {})
    if ABSENT in names.values():
        case.path_parameters = {key: "board-1" if name == ABSENT else name for key, name in names.items()}
    if case.path == "/api/events":
        query = dict(case.query or {})
        query.pop("stream", None)
        query["timeout"] = "0"
        case.query = query
    if case.path.endswith("/log"):
        query = dict(case.query or {})
        query.pop("follow", None)
        case.query = query
