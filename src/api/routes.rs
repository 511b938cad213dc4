//! The API's index: every path, its method, who may answer it, and what does.
//!
//! `{name}` takes one non-empty segment, decoded; a slash at the end of a path may be left out or given. Paths, names and
//! methods are public: they are added to, never changed.

mod find;

pub use find::{Found, Params, find, place};

use super::call::Verb;
use super::metrics;
use super::openapi::about::{About, Fails, Gives, Media, Query, Tag, Takes, empty, json, ok, one_of};
use super::openapi::shape::{Kind, Shape};
use super::owner::Owner::{self, Any, BoardServer, DeviceServer, RequestServer, RequestServerWhileThere};
use super::reply::{Reply, Result};
use super::{
    Answer, Ctx, admin, attempts, audit, bmm, candidate, device, events, health, image, inventory, logs,
    openapi, peer, repair, report, request, session, shapes, token,
};
use crate::access::Needs;
use crate::store::{DeviceView, RelayBoardRow, RequestView};

/// What a route does. The kind says which resource its path names; it is loaded, and missing ones are 404, before the
/// handler runs.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// Names nothing that must exist, and may wait for something to happen.
    Watch(fn(&mut Ctx<'_>) -> Result<Answer>),
    /// `{device}`, and may go on as its log grows.
    Log(fn(&mut Ctx<'_>, &DeviceView) -> Result<Answer>),
    /// Names nothing that must exist.
    Plain(fn(&mut Ctx<'_>) -> Result<Reply>),
    /// `{device}`
    Device(fn(&mut Ctx<'_>, &DeviceView) -> Result<Reply>),
    /// `{request}`
    Request(fn(&mut Ctx<'_>, &RequestView) -> Result<Reply>),
    /// `{board}`
    Board(fn(&mut Ctx<'_>, &RelayBoardRow) -> Result<Reply>),
}

/// One line of the index.
#[derive(Debug)]
pub struct Route {
    /// `Get`, `Post`, `Put` or `Delete`.
    pub verb: Verb,
    /// Pattern, without the slash at the end.
    pub path: &'static str,
    /// Which server answers.
    pub owner: Owner,
    /// What its caller must be allowed to do.
    pub needs: Needs,
    /// Whoever calls is found out although nobody needs to be known.
    pub wants_caller: bool,
    /// It begins a session, whatever session calls.
    pub begins_session: bool,
    /// It leaves no entry in the audit log although it is no read.
    pub is_untold: bool,
    /// What does.
    pub run: Run,
    /// What for, in a line.
    pub doc: &'static str,
    /// What else the API's document says of it.
    pub about: About,
}

impl Route {
    /// It changes something, or works on hardware: a foreign web page must not call it.
    pub fn guarded(&self) -> bool {
        self.owner != Any || self.verb != Verb::Get
    }

    /// Its operation's name, which does not change, and its heading.
    const fn named(mut self, id: &'static str, tag: Tag) -> Self {
        self.about.id = id;
        self.about.tag = tag;
        self
    }

    /// Whoever calls is found out although nobody needs to be known.
    const fn for_caller(mut self) -> Self {
        self.wants_caller = true;
        self
    }

    /// It begins a session, whatever session calls.
    const fn begins_session(mut self) -> Self {
        self.begins_session = true;
        self
    }

    /// It changes nothing.
    const fn untold(mut self) -> Self {
        self.is_untold = true;
        self
    }

    /// More than a line.
    const fn more(mut self, text: &'static str) -> Self {
        self.about.more = text;
        self
    }

    /// Keys of the query.
    const fn query(mut self, keys: &'static [Query]) -> Self {
        self.about.query = keys;
        self
    }

    /// A body that must come.
    const fn takes(mut self, shape: &'static Shape) -> Self {
        self.about.takes = Takes::This(shape);
        self
    }

    /// A body that may come, and is never found fault with.
    const fn reads(mut self, shape: &'static Shape) -> Self {
        self.about.takes = Takes::Read(shape);
        self
    }

    /// A body that may come.
    const fn may_take(mut self, shape: &'static Shape) -> Self {
        self.about.takes = Takes::Maybe(shape);
        self
    }

    /// A body whose keys are fields of a row; others are refused.
    const fn row(mut self, shape: &'static Shape) -> Self {
        self.about.takes = Takes::Row(shape);
        self
    }

    /// A body of one of these media types.
    const fn takes_one(mut self, media: &'static [Media]) -> Self {
        self.about.takes = Takes::One(media);
        self
    }

    /// Answers: 200 first, and errors that have a body of their own.
    const fn gives(mut self, answers: &'static [Gives]) -> Self {
        self.about.gives = answers;
        self
    }

    /// Errors beyond those that follow from what kind of row it is.
    const fn fails(mut self, errors: &'static [Fails]) -> Self {
        self.about.fails = errors;
        self
    }
}

const fn get(path: &'static str, owner: Owner, needs: Needs, run: Run, doc: &'static str) -> Route {
    route(Verb::Get, path, owner, needs, run, doc)
}

const fn post(path: &'static str, owner: Owner, needs: Needs, run: Run, doc: &'static str) -> Route {
    route(Verb::Post, path, owner, needs, run, doc)
}

const fn put(path: &'static str, needs: Needs, run: Run, doc: &'static str) -> Route {
    route(Verb::Put, path, Any, needs, run, doc)
}

const fn delete(path: &'static str, owner: Owner, needs: Needs, run: Run, doc: &'static str) -> Route {
    route(Verb::Delete, path, owner, needs, run, doc)
}

/// A row says what its caller needs, or it is none: there is no default.
const fn route(
    verb: Verb,
    path: &'static str,
    owner: Owner,
    needs: Needs,
    run: Run,
    doc: &'static str,
) -> Route {
    let (wants_caller, begins_session, is_untold) = (false, false, false);
    Route {
        verb,
        path,
        owner,
        needs,
        wants_caller,
        begins_session,
        is_untold,
        run,
        doc,
        about: About::NOTHING,
    }
}

use Run::{Board, Device, Log, Plain, Request, Watch};
use Tag::{Access, Admin, Devices, Hardware, Pool, Reports, Requests, Server};

const BAD_QUERY: Fails = (400, "A key of the query has a value that it does not take.");
const BAD_BODY: Fails = (400, "The body is no JSON object, lacks a key, or a value is wrong.");
const NO_RELAY: Fails = (409, "No relay is known for the device.");
const HANDS_OFF: Fails = (409, "No relay is known for the device, or it is `locked_out`.");
const DONE: &[Gives] = &[ok(&shapes::DONE)];
const NULL: &[Gives] = &[json(200, Kind::Null, "It is done.")];
const SAME: Gives = empty(304, "Nothing has changed since the `ETag` that `If-None-Match` names.");
const EVENT_ANSWER: &[Gives] = &[ok(&shapes::EVENT_ANSWER)];
const EVENT_FAILS: &[Fails] = &[
    (
        403,
        "What a board reports does not come from it, or not from its present boot (`boards.events`): saying it again is of no use. Or the `Origin` is a foreign web page.",
    ),
    (
        400,
        "The body is no JSON object, what the event needs is missing or wrong, or `please_image` names no image.",
    ),
    (
        409,
        "`please_image` cannot be done: the device is busy, or there is no PXE config for it and the image.",
    ),
];
const PUT_MORE: &str =
    "Fields that the body does not name stay as they are; `null` takes away what may be missing.";
const PUT_FAILS: &[Fails] = &[
    (
        400,
        "The body is no JSON object, or a field is unknown or wrong; the error names it, and nothing is changed.",
    ),
    (404, "It is not there, and `exists=yes` was said."),
    (409, "It is there, and `exists=no` was said; or what is there stands in the way."),
];
const IN_USE: Fails = (409, "Something uses it; the message says what.");
const NOT_THERE: Fails = (404, "There is no such thing.");
const DELETE_FAILS: &[Fails] = &[NOT_THERE, IN_USE];
const DELETED: &[Gives] =
    &[json(200, Kind::Of(&shapes::DIFFERENCES), "What `dry_run` would delete."), empty(204, "It is gone.")];
const TO_OWNER: Gives =
    empty(307, "Another server owns it; the same call with the same body goes to `Location`.");

const fn put_200(kind: Kind) -> Gives {
    json(200, kind, "It is as it was told; with `dry_run` what would change.")
}

const fn put_201(shape: &'static Shape) -> Gives {
    json(201, Kind::Of(shape), "It was made.")
}

const EVENT_MORE: &str = "What boards report needs proof (`boards.events`): it comes from the device's own address, and shows the token of its \
    present boot in the header `Mozpool-Boot`. Requests (`please_...`) need none. An event that the device's state does not take is answered 200 with `accepted: false` and why, and \
    leaves a line in the device's log.";

/// The route of events, of which a busy lab has thousands a second.
pub const DEVICE_EVENT: &str = "/api/device/{device}/event/{event}";

#[rustfmt::skip]
/// Every route. GET that changes something is there for boards, whose wget cannot POST.
pub const ROUTES: &[Route] = &[
    get("/api/version", Any, Needs::Nothing, Plain(image::version), "This program's version.")
        .named("getVersion", Server).gives(&[ok(&shapes::VERSION)]),
    get("/api/health", Any, Needs::Nothing, Plain(health::health), "The process lives, and what it consists of.")
        .named("getHealth", Server).more("Asks nobody and waits for nothing.")
        .gives(&[ok(&shapes::HEALTH), json(503, Kind::Of(&shapes::HEALTH), "A part has ended; the process is about to.")]),
    get("/api/ready", Any, Needs::Nothing, Plain(health::ready), "Whether this server can work: its store and all layers answer.")
        .named("getReadiness", Server).more("Two seconds at most for the layers.")
        .gives(&[ok(&shapes::READINESS), json(503, Kind::Of(&shapes::READINESS), "Something does not answer; `checks` says what.")]),
    get("/metrics", Any, Needs::Viewer, Plain(metrics::scrape), "Counts and durations of this server, for Prometheus and its like.")
        .named("getMetrics", Server)
        .more("Of the devices and requests of this server alone: over all servers it is their sum. OpenMetrics, if `Accept` asks for it.")
        .gives(&[one_of(
            &[("text/plain", Kind::Text), ("application/openmetrics-text", Kind::Text)],
            "Prometheus' text format 0.0.4, or OpenMetrics 1.0.",
        )]),
    get("/api/openapi.json", Any, Needs::Nothing, Plain(openapi::serve), "This document.")
        .named("getOpenApi", Server).gives(&[json(200, Kind::Object, "An OpenAPI 3.1 document.")]),
    get("/api/events", Any, Needs::Viewer, Watch(events::follow), "What has changed after a number, or will; also as a stream of server-sent events.")
        .named("followChanges", Server).query(shapes::CHANGES)
        .more("Waits for the first change. A stream goes on until one side ends it; the header `Last-Event-ID` counts more than `after` there.")
        .gives(&[one_of(
            &[("application/json", Kind::Of(&shapes::CHANGES_PAGE)), ("text/event-stream", Kind::Text)],
            "What has changed; in a stream an event a change, with its number as `id`, its kind as `event` and itself as `data`.",
        )])
        .fails(&[BAD_QUERY, (410, "The changes after that number are not kept any more, or the number has not been given yet.")]),

    get("/api/device/list", Any, Needs::Viewer, Plain(device::list), "Names of all devices; with `details`, all about them.")
        .named("listDevices", Devices).query(shapes::DEVICE_LIST).gives(&[ok(&shapes::DEVICES), SAME]).fails(&[BAD_QUERY]),
    post("/api/device/{requested}/request", Any, Needs::Requester, Plain(request::create), "Asks for a device, `any` or by name, with an image on it.")
        .named("createRequest", Requests).takes(&shapes::NEW_REQUEST)
        .more("Answered at once; watch the request's `url` for its board. The server that takes the request owns it, wherever the device is.")
        .gives(&[
            ok(&shapes::REQUEST_MADE),
            json(409, Kind::Of(&shapes::REQUEST_MADE), "The device that it names is another request's; this one is closed."),
        ])
        .fails(&[BAD_BODY, (404, "There is no such device or image.")]),
    get("/api/device/{device}/status", Any, Needs::Viewer, Device(device::status), "State and last log lines.")
        .named("getDeviceStatus", Devices).gives(&[ok(&shapes::DEVICE_STATUS)]),
    get("/api/device/{device}/state", Any, Needs::Viewer, Device(device::state), "State; with `cache`, to be kept for a few seconds.")
        .named("getDeviceState", Devices).query(shapes::DEVICE_STATE).gives(&[ok(&shapes::DEVICE_STATE_ONLY)]),
    get("/api/device/{device}/log", Any, Needs::Viewer, Log(logs::of_device), "Log lines; `limit` of them, of the last `timeperiod` seconds, with a text in them; also as the log grows.")
        .named("getDeviceLog", Devices).query(shapes::DEVICE_LOG)
        .more("One answer holds 50,000 lines and 16 MiB at most, and a search looks at 256 MiB of what boards say; `more` and the places lead on.")
        .gives(&[one_of(
            &[("application/json", Kind::Of(&shapes::LOG_PAGE)), ("text/event-stream", Kind::Text)],
            "Lines; in a stream an event `line` for each, `skipped` where there were too many, and ids from which it goes on.",
        )])
        .fails(&[BAD_QUERY]),
    get("/api/device/{device}/attempts", Any, Needs::Viewer, Device(attempts::of_device), "What happened at its boots, against what is usual for its hardware.")
        .named("listDeviceAttempts", Devices).query(shapes::ATTEMPTS_QUERY)
        .more("An attempt is a power cycle and all that follows until the board rests or is given up. What is usual comes from the last good attempts of the same hardware type, purpose and image.")
        .gives(&[ok(&shapes::ATTEMPTS)]).fails(&[BAD_QUERY]),
    get("/api/log/unknown", Any, Needs::Viewer, Plain(logs::unknown), "Who sends syslog lines although no device is known for the address, and the last of them.")
        .named("listUnknownSenders", Devices).query(shapes::UNKNOWN_SENDERS).gives(&[ok(&shapes::UNKNOWN)]).fails(&[BAD_QUERY]),
    get("/api/device/{device}/bootconfig", Any, Needs::Board, Device(device::boot_config), "What the second stage is to be told, as JSON text.")
        .named("getBootConfig", Devices).gives(&[json(200, Kind::Anything, "The boot config, or `null`.")])
        .fails(&[(403, "The call comes neither from the device's board nor from somebody who may read.")]),
    get("/api/device/{device}/event/{event}", DeviceServer, Needs::Board, Device(device::event), "Something happened to a device.")
        .named("sendDeviceEventByGet", Devices).more(EVENT_MORE).query(shapes::DEVICE_EVENT)
        .gives(EVENT_ANSWER).fails(EVENT_FAILS),
    post("/api/device/{device}/event/{event}", DeviceServer, Needs::Board, Device(device::event), "Something happened to a device, or is asked of it.")
        .named("sendDeviceEvent", Devices).more(EVENT_MORE).query(shapes::DEVICE_EVENT).may_take(&shapes::DEVICE_EVENT_BODY)
        .gives(EVENT_ANSWER).fails(EVENT_FAILS),
    post("/api/device/{device}/state-change/{from}/to/{to}", DeviceServer, Needs::Operator, Device(device::force), "Puts a device into a state, if it is in another.")
        .named("forceDeviceState", Devices).gives(DONE)
        .fails(&[(400, "There is no such state to put it into."), (409, "The device is in another state than `from`.")]),
    post("/api/device/{device}/set-comments", DeviceServer, Needs::Operator, Device(device::set_comments), "Changes people's notes.")
        .named("setDeviceComments", Devices).takes(&shapes::COMMENTS).gives(NULL).fails(&[BAD_BODY]),
    post("/api/device/{device}/set-environment", DeviceServer, Needs::Operator, Device(device::set_environment), "Moves a device to another pool.")
        .named("setDeviceEnvironment", Devices).takes(&shapes::ENVIRONMENT).gives(NULL).fails(&[BAD_BODY]),

    post("/api/device/{device}/power-cycle", DeviceServer, Needs::Operator, Device(bmm::power_cycle), "Off and on, to boot a PXE config or its own disk.")
        .named("powerCycle", Hardware).more("Answered at once; the cycle runs on.").may_take(&shapes::POWER_CYCLE).gives(DONE)
        .fails(&[BAD_BODY, (404, "There is no such device or PXE config."), HANDS_OFF]),
    get("/api/device/{device}/power-off", DeviceServer, Needs::Operator, Device(bmm::power_off), "Off.")
        .named("powerOffByGet", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    post("/api/device/{device}/power-off", DeviceServer, Needs::Operator, Device(bmm::power_off), "Off.")
        .named("powerOff", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    get("/api/device/{device}/power-on", DeviceServer, Needs::Operator, Device(bmm::power_on), "On.")
        .named("powerOnByGet", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    post("/api/device/{device}/power-on", DeviceServer, Needs::Operator, Device(bmm::power_on), "On.")
        .named("powerOn", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    get("/api/device/{device}/power", DeviceServer, Needs::Operator, Device(bmm::power), "Asks the relay whether it is on.")
        .named("getPower", Hardware).gives(&[ok(&shapes::POWER)]).fails(&[NO_RELAY]),
    post("/api/device/{device}/clear-pxe", DeviceServer, Needs::Operator, Device(bmm::clear_pxe), "Lets the device boot its own disk.")
        .named("clearPxe", Hardware).gives(DONE).fails(&[(409, "The device is `locked_out`.")]),
    get("/api/device/{device}/pxe", DeviceServer, Needs::Viewer, Device(bmm::pxe), "What the device would get from the network now, and why.")
        .named("getPxe", Hardware).gives(&[ok(&shapes::PXE)]),
    post("/api/device/{device}/pxe-draft", DeviceServer, Needs::Operator, Device(bmm::pxe_draft), "What the device would get if a PXE config had these contents.")
        .named("draftPxeConfig", Hardware).untold().more("Changes nothing. A template that cannot be rendered is no error of the call: `error` has its line and why.")
        .takes(&shapes::PXE_DRAFT_BODY).gives(&[ok(&shapes::PXE_DRAFT)]).fails(&[BAD_BODY, (404, "There is no such device or image.")]),
    get("/api/device/{device}/ping", DeviceServer, Needs::Operator, Device(bmm::ping), "Asks the device for a sign of life.")
        .named("pingDevice", Hardware).more("Within a second.").gives(&[ok(&shapes::SUCCESS)]),
    get("/api/relay/{board}/test", BoardServer, Needs::LabOperator, Board(bmm::test_board), "Asks a relay board for its two-way test.")
        .named("testRelayBoard", Hardware).more("Switches nothing; eleven seconds at most.").gives(&[ok(&shapes::SUCCESS)]),
    get("/api/bmm/pxe_config/list", Any, Needs::Viewer, Plain(bmm::pxe_configs), "Names of PXE configs; `active_only` of them.")
        .named("listPxeConfigs", Pool).query(shapes::PXE_CONFIG_LIST).gives(&[ok(&shapes::PXE_CONFIGS)]),
    get("/api/bmm/pxe_config/{name}/details", Any, Needs::Viewer, Plain(bmm::pxe_config), "A PXE config.")
        .named("getPxeConfig", Pool).gives(&[ok(&shapes::PXE_CONFIG_DETAILS)]).fails(&[(404, "There is no such PXE config.")]),

    get("/api/request/list", Any, Needs::Viewer, Plain(request::list), "Requests of all servers; with `include_closed`, closed ones too.")
        .named("listRequests", Requests).query(shapes::REQUEST_LIST).gives(&[ok(&shapes::REQUESTS), SAME]),
    get("/api/request/{request}/status", Any, Needs::Viewer, Request(request::status), "State and last log lines.")
        .named("getRequestStatus", Requests).gives(&[ok(&shapes::REQUEST_STATUS)]),
    get("/api/request/{request}/details", Any, Needs::Viewer, Request(request::details), "All about a request.")
        .named("getRequest", Requests).gives(&[ok(&shapes::REQUEST_DETAILS)]),
    get("/api/request/{request}/log", Any, Needs::Viewer, Request(request::log), "All log lines.")
        .named("getRequestLog", Requests).gives(&[ok(&shapes::LOG)]),
    post("/api/request/{request}/renew", RequestServerWhileThere, Needs::Requester, Request(request::renew), "Keeps the device for so many seconds from now.")
        .named("renewRequest", Requests).takes(&shapes::RENEWAL).gives(&[empty(204, "It ends later.")])
        .fails(&[BAD_BODY, (409, "The request has ended.")]),
    post("/api/request/{request}/return", RequestServerWhileThere, Needs::Requester, Request(request::close), "Gives the device back.")
        .named("returnRequest", Requests).reads(&shapes::RETURN).gives(&[empty(204, "The request has ended, now or earlier.")]),
    get("/api/request/{request}/event/{event}", RequestServer, Needs::Requester, Request(request::event), "Something happened to a request.")
        .named("sendRequestEventByGet", Requests).gives(DONE).fails(&[BAD_BODY]),
    post("/api/request/{request}/event/{event}", RequestServer, Needs::Requester, Request(request::event), "Something happened to a request.")
        .named("sendRequestEvent", Requests).may_take(&shapes::REQUEST_EVENT).gives(DONE).fails(&[BAD_BODY]),

    get("/api/server/list", Any, Needs::Viewer, Plain(peer::servers), "The imaging servers of the pool, and which of them live.")
        .named("listServers", Pool).gives(&[ok(&shapes::SERVERS)]),
    post("/api/peer/letter", Any, Needs::Seal, Plain(peer::letter), "What another imaging server of the pool has to say; no call for clients.")
        .named("takeLetter", Pool).takes(&shapes::LETTER).gives(&[ok(&shapes::LETTER_ANSWER)])
        .fails(&[
            (400, "The body is no JSON object, lacks a key, or the letter cannot be read."),
            (403, "The letter's seal is wrong, or the page is a foreign one."),
            (409, "This server is alone, or another one than the letter is for, or has another version."),
        ]),
    get("/api/environment/list", Any, Needs::Viewer, Plain(image::environments), "Environments that devices are in.")
        .named("listEnvironments", Pool).gives(&[ok(&shapes::ENVIRONMENTS)]),
    get("/api/image/list", Any, Needs::Viewer, Plain(image::images), "Images that are not hidden.")
        .named("listImages", Pool).gives(&[ok(&shapes::IMAGES)]),

    get("/api/report/list", Any, Needs::Viewer, Plain(report::list), "Which reports there are, what they can be grouped by, and their columns.")
        .named("listReports", Reports).gives(&[ok(&shapes::REPORTS)]),
    get("/api/report/{report}", Any, Needs::Viewer, Plain(report::make), "A report about a time.")
        .named("getReport", Reports).query(shapes::REPORT_QUERY)
        .more("Of all servers. Two reports are made at once, and others wait for their turn: one may read a year of hundreds of boards.")
        .gives(&[one_of(
            &[("application/json", Kind::Of(&shapes::REPORT)), ("text/csv", Kind::Text)],
            "Rows; as CSV (RFC 4180) with the columns' names first, where cells that a spreadsheet would take for a formula begin with `'`.",
        )])
        .fails(&[BAD_QUERY, (404, "There is no such report.")]),
    get("/api/repair/list", Any, Needs::Viewer, Plain(repair::list), "Devices that have failed and wait for a person, by relay board, bank and relay.")
        .named("listRepairs", Reports).gives(&[ok(&shapes::REPAIRS)]),
    get("/api/device/{device}/history", Any, Needs::Viewer, Device(report::history), "How a device was, the newest first.")
        .named("getDeviceHistory", Reports).query(shapes::DEVICE_HISTORY).gives(&[ok(&shapes::HISTORY)]).fails(&[BAD_QUERY]),

    get("/api/device/{device}/details", Any, Needs::Viewer, Device(admin::device_details), "All about a device.")
        .named("getDevice", Admin).gives(&[ok(&shapes::DEVICE_FULL)]),
    get("/api/device/{device}", Any, Needs::Viewer, Device(admin::device_details), "All about a device: what `PUT` answers.")
        .named("readDevice", Admin).gives(&[ok(&shapes::DEVICE_FULL)]),
    put("/api/device/{name}", Needs::Admin, Plain(admin::put_device), "Makes a device, or changes the fields that are given.")
        .named("putDevice", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::DEVICE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::DEVICE_FULL), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::DEVICE_FULL), TO_OWNER])
        .fails(PUT_FAILS),
    delete("/api/device/{device}", DeviceServer, Needs::Admin, Device(admin::delete_device), "Deletes a device and its log.")
        .named("deleteDevice", Admin).query(shapes::DELETE).gives(DELETED).fails(&[IN_USE]),
    get("/api/candidate/list", Any, Needs::Viewer, Plain(candidate::list), "Boards that have turned to this pool and are no devices, with what is known of them.")
        .named("listCandidates", Admin).query(shapes::CANDIDATE_LIST).gives(&[ok(&shapes::CANDIDATES)]),
    post("/api/candidate/{mac}/accept", Any, Needs::LabOperator, Plain(candidate::accept), "Makes a device of one.")
        .named("acceptCandidate", Admin).query(shapes::ACCEPT).row(&shapes::ACCEPT_ROW)
        .more("What the body does not say is as proposed; `null` leaves it open. The device begins as every new one, with a test of itself.")
        .gives(&[json(200, Kind::Of(&shapes::DIFFERENCES), "What `dry_run` would make."), put_201(&shapes::DEVICE_FULL), TO_OWNER])
        .fails(&[
            (400, "The body is no JSON object, or a field is unknown or wrong; the error names it, and nothing is changed."),
            (404, "There is no such candidate."), (409, "There is a device of this name."),
        ]),
    post("/api/candidate/{mac}/ignore", Any, Needs::LabOperator, Plain(candidate::ignore), "Leaves one out of the list from now on.")
        .named("ignoreCandidate", Admin).query(shapes::IGNORE).gives(DONE).fails(&[(404, "There is no such candidate.")]),
    get("/api/hardware_type/list", Any, Needs::Viewer, Plain(admin::hardware_types), "Hardware types with all about them.")
        .named("listHardwareTypes", Admin).gives(&[ok(&shapes::HARDWARE_TYPES)]),
    get("/api/hardware_type/{type}", Any, Needs::Viewer, Plain(admin::hardware_type), "A hardware type without a model.")
        .named("getHardwareType", Admin).gives(&[ok(&shapes::HARDWARE_TYPE)]).fails(&[NOT_THERE]),
    get("/api/hardware_type/{type}/{model}", Any, Needs::Viewer, Plain(admin::hardware_type), "A hardware type.")
        .named("getHardwareModel", Admin).gives(&[ok(&shapes::HARDWARE_TYPE)]).fails(&[NOT_THERE]),
    put("/api/hardware_type/{type}", Needs::Admin, Plain(admin::put_hardware_type), "Makes or changes a hardware type without a model.")
        .named("putHardwareType", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::HARDWARE_TYPE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::HARDWARE_TYPE), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::HARDWARE_TYPE)])
        .fails(PUT_FAILS),
    put("/api/hardware_type/{type}/{model}", Needs::Admin, Plain(admin::put_hardware_type), "Makes or changes a hardware type.")
        .named("putHardwareModel", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::HARDWARE_TYPE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::HARDWARE_TYPE), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::HARDWARE_TYPE)])
        .fails(PUT_FAILS),
    delete("/api/hardware_type/{type}", Any, Needs::Admin, Plain(admin::delete_hardware_type), "Deletes a hardware type without a model.")
        .named("deleteHardwareType", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    delete("/api/hardware_type/{type}/{model}", Any, Needs::Admin, Plain(admin::delete_hardware_type), "Deletes a hardware type.")
        .named("deleteHardwareModel", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    get("/api/image/{name}/details", Any, Needs::Viewer, Plain(admin::image_details), "All about an image.")
        .named("getImage", Admin).gives(&[ok(&shapes::IMAGE_FULL)]).fails(&[(404, "There is no such image.")]),
    get("/api/image/{name}", Any, Needs::Viewer, Plain(admin::image_details), "All about an image: what `PUT` answers.")
        .named("readImage", Admin).gives(&[ok(&shapes::IMAGE_FULL)]).fails(&[NOT_THERE]),
    put("/api/image/{name}", Needs::Admin, Plain(admin::put_image), "Makes an image, or changes the fields that are given.")
        .named("putImage", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::IMAGE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::IMAGE_FULL), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::IMAGE_FULL)])
        .fails(PUT_FAILS),
    delete("/api/image/{name}", Any, Needs::Admin, Plain(admin::delete_image), "Deletes an image.")
        .named("deleteImage", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    get("/api/bmm/pxe_config/{name}", Any, Needs::Viewer, Plain(admin::pxe_config), "A PXE config: what `PUT` answers.")
        .named("readPxeConfig", Admin).gives(&[ok(&shapes::PXE_CONFIG_FULL)]).fails(&[NOT_THERE]),
    put("/api/bmm/pxe_config/{name}", Needs::Admin, Plain(admin::put_pxe_config), "Makes a PXE config, or changes the fields that are given.")
        .named("putPxeConfig", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::PXE_CONFIG_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::PXE_CONFIG_FULL), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::PXE_CONFIG_FULL)])
        .fails(PUT_FAILS),
    delete("/api/bmm/pxe_config/{name}", Any, Needs::Admin, Plain(admin::delete_pxe_config), "Deletes a PXE config.")
        .named("deletePxeConfig", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    get("/api/relay/list", Any, Needs::Viewer, Plain(admin::relay_boards), "Relay boards.")
        .named("listRelayBoards", Admin).gives(&[ok(&shapes::RELAY_BOARDS)]),
    get("/api/relay/{board}", Any, Needs::Viewer, Board(admin::relay_board), "A relay board.")
        .named("getRelayBoard", Admin).gives(&[ok(&shapes::RELAY_BOARD)]),
    put("/api/relay/{name}", Needs::Admin, Plain(admin::put_relay_board), "Makes a relay board, or changes the fields that are given.")
        .named("putRelayBoard", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::RELAY_BOARD_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::RELAY_BOARD), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::RELAY_BOARD), TO_OWNER])
        .fails(PUT_FAILS),
    delete("/api/relay/{board}", BoardServer, Needs::Admin, Board(admin::delete_relay_board), "Deletes a relay board.")
        .named("deleteRelayBoard", Admin).query(shapes::DELETE).gives(DELETED).fails(&[IN_USE]),
    post("/api/lab/import", Any, Needs::Admin, Plain(admin::import), "Brings everything to what a lab file says.")
        .named("importLab", Admin).query(shapes::IMPORT)
        .more("All or nothing: rows that it names are made or changed, others stay. Its type goes by `Content-Type` or `format`.")
        .takes_one(&[("application/toml", Kind::Text), ("application/json", Kind::Object), ("text/csv", Kind::Text)])
        .gives(&[ok(&shapes::DIFFERENCES)])
        .fails(&[(400, "The file cannot be read, or a row cannot be what it says; the error names row and field, and nothing is changed."),
            (409, "What is there stands in the way."), (413, "The file is longer than 32 mebibytes.")]),
    get("/api/lab/export", Any, Needs::Viewer, Plain(admin::export), "Everything as a lab file.")
        .named("exportLab", Admin).query(shapes::EXPORT)
        .gives(&[one_of(&[("application/toml", Kind::Text), ("application/json", Kind::Object), ("text/csv", Kind::Text)], "A lab file; imported again it changes nothing.")])
        .fails(&[BAD_QUERY]),
    get("/api/inventory", Any, Needs::Viewer, Plain(inventory::show), "The inventory that devices come from, and its last run.")
        .named("getInventory", Admin).gives(&[ok(&shapes::INVENTORY)]),
    post("/api/inventory/sync", Any, Needs::Admin, Plain(inventory::sync), "Brings devices and relay boards to what the inventory says now.")
        .named("syncInventory", Admin).query(shapes::INVENTORY_SYNC)
        .more("All or nothing. Devices that were made by hand are left alone; those that somebody needs wait for the next run.")
        .gives(&[ok(&shapes::INVENTORY_SYNCED)])
        .fails(&[(409, "There is no inventory, or it contradicts itself, has no devices, or would change more than passes without `ship_it`."),
            (502, "The inventory does not answer, or cannot be read; nothing is changed.")]),

    post("/api/session", Any, Needs::Nothing, Plain(session::begin), "Logs a page in with a token.")
        .named("beginSession", Access).begins_session().for_caller().takes(&shapes::LOGIN)
        .more("Answers with a cookie, which lasts as long as the session: twelve hours, or until its token ends.")
        .gives(&[ok(&shapes::SESSION)])
        .fails(&[BAD_BODY, (401, "No such token is known, or it is good no more."), (429, "Too many logins from this address have failed; `Retry-After` has the seconds.")]),
    get("/api/session", Any, Needs::Nothing, Plain(session::show), "Who calls, and what they may do.")
        .named("getSession", Access).for_caller().gives(&[ok(&shapes::SESSION)])
        .fails(&[(403, "The server asks nobody, and was called by a name that may be anybody's.")]),
    delete("/api/session", Any, Needs::Nothing, Plain(session::end), "Logs a page out.")
        .named("endSession", Access).for_caller().gives(&[empty(204, "There is no session any more.")]),
    get("/api/token/list", Any, Needs::Admin, Plain(token::list), "Tokens, without their secrets.")
        .named("listTokens", Access).gives(&[ok(&shapes::TOKENS)]),
    post("/api/token", Any, Needs::Admin, Plain(token::make), "Makes a token.")
        .named("makeToken", Access).takes(&shapes::NEW_TOKEN).more("Its secret is in this answer and nowhere else.")
        .gives(&[json(201, Kind::Of(&shapes::TOKEN_MADE), "It was made.")])
        .fails(&[BAD_BODY, (409, "There is a token of this name.")]),
    delete("/api/token/{token}", Any, Needs::Admin, Plain(token::revoke), "Takes a token back.")
        .named("revokeToken", Access).more("It is good for two seconds more at most; its sessions and streams end.")
        .gives(&[empty(204, "It is gone.")]).fails(&[NOT_THERE]),
    get("/api/audit", Any, Needs::Admin, Plain(audit::list), "Who has changed what, the newest first.")
        .named("listAudit", Access).query(shapes::AUDIT_QUERY).gives(&[ok(&shapes::AUDIT)]).fails(&[BAD_QUERY]),
];
