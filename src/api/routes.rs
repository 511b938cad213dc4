//! The API's index: every path, its method, who may answer it, and what does.
//!
//! `{name}` takes one non-empty segment, decoded; a slash at the end of a path may be left out or given. Paths, names and
//! methods are public: they are added to, never changed.

use super::call::{Call, Verb, decode};
use super::metrics;
use super::openapi::about::{About, Fails, Gives, Media, Query, Tag, Takes, empty, json, ok, one_of};
use super::openapi::shape::{Kind, Shape};
use super::owner::Owner::{self, Any, BoardServer, DeviceServer, RequestServer, RequestServerWhileThere};
use super::reply::{Reply, Result};
use super::{
    Answer, Ctx, admin, attempts, bmm, candidate, device, events, health, image, inventory, logs, openapi,
    peer, repair, report, request, shapes,
};
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

const fn get(path: &'static str, owner: Owner, run: Run, doc: &'static str) -> Route {
    Route { verb: Verb::Get, path, owner, run, doc, about: About::NOTHING }
}

const fn post(path: &'static str, owner: Owner, run: Run, doc: &'static str) -> Route {
    Route { verb: Verb::Post, path, owner, run, doc, about: About::NOTHING }
}

const fn put(path: &'static str, run: Run, doc: &'static str) -> Route {
    Route { verb: Verb::Put, path, owner: Any, run, doc, about: About::NOTHING }
}

const fn delete(path: &'static str, owner: Owner, run: Run, doc: &'static str) -> Route {
    Route { verb: Verb::Delete, path, owner, run, doc, about: About::NOTHING }
}

use Run::{Board, Device, Log, Plain, Request, Watch};
use Tag::{Admin, Devices, Hardware, Pool, Reports, Requests, Server};

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
    get("/api/version", Any, Plain(image::version), "This program's version.")
        .named("getVersion", Server).gives(&[ok(&shapes::VERSION)]),
    get("/api/health", Any, Plain(health::health), "The process lives, and what it consists of.")
        .named("getHealth", Server).more("Asks nobody and waits for nothing.")
        .gives(&[ok(&shapes::HEALTH), json(503, Kind::Of(&shapes::HEALTH), "A part has ended; the process is about to.")]),
    get("/api/ready", Any, Plain(health::ready), "Whether this server can work: its store and all layers answer.")
        .named("getReadiness", Server).more("Two seconds at most for the layers.")
        .gives(&[ok(&shapes::READINESS), json(503, Kind::Of(&shapes::READINESS), "Something does not answer; `checks` says what.")]),
    get("/metrics", Any, Plain(metrics::scrape), "Counts and durations of this server, for Prometheus and its like.")
        .named("getMetrics", Server)
        .more("Of the devices and requests of this server alone: over all servers it is their sum. OpenMetrics, if `Accept` asks for it.")
        .gives(&[one_of(
            &[("text/plain", Kind::Text), ("application/openmetrics-text", Kind::Text)],
            "Prometheus' text format 0.0.4, or OpenMetrics 1.0.",
        )]),
    get("/api/openapi.json", Any, Plain(openapi::serve), "This document.")
        .named("getOpenApi", Server).gives(&[json(200, Kind::Object, "An OpenAPI 3.1 document.")]),
    get("/api/events", Any, Watch(events::follow), "What has changed after a number, or will; also as a stream of server-sent events.")
        .named("followChanges", Server).query(shapes::CHANGES)
        .more("Waits for the first change. A stream goes on until one side ends it; the header `Last-Event-ID` counts more than `after` there.")
        .gives(&[one_of(
            &[("application/json", Kind::Of(&shapes::CHANGES_PAGE)), ("text/event-stream", Kind::Text)],
            "What has changed; in a stream an event a change, with its number as `id`, its kind as `event` and itself as `data`.",
        )])
        .fails(&[BAD_QUERY, (410, "The changes after that number are not kept any more, or the number has not been given yet.")]),

    get("/api/device/list", Any, Plain(device::list), "Names of all devices; with `details`, all about them.")
        .named("listDevices", Devices).query(shapes::DEVICE_LIST).gives(&[ok(&shapes::DEVICES), SAME]).fails(&[BAD_QUERY]),
    post("/api/device/{requested}/request", Any, Plain(request::create), "Asks for a device, `any` or by name, with an image on it.")
        .named("createRequest", Requests).takes(&shapes::NEW_REQUEST)
        .more("Answered at once; watch the request's `url` for its board. The server that takes the request owns it, wherever the device is.")
        .gives(&[
            ok(&shapes::REQUEST_MADE),
            json(409, Kind::Of(&shapes::REQUEST_MADE), "The device that it names is another request's; this one is closed."),
        ])
        .fails(&[BAD_BODY, (404, "There is no such device or image.")]),
    get("/api/device/{device}/status", Any, Device(device::status), "State and last log lines.")
        .named("getDeviceStatus", Devices).gives(&[ok(&shapes::DEVICE_STATUS)]),
    get("/api/device/{device}/state", Any, Device(device::state), "State; with `cache`, to be kept for a few seconds.")
        .named("getDeviceState", Devices).query(shapes::DEVICE_STATE).gives(&[ok(&shapes::DEVICE_STATE_ONLY)]),
    get("/api/device/{device}/log", Any, Log(logs::of_device), "Log lines; `limit` of them, of the last `timeperiod` seconds, with a text in them; also as the log grows.")
        .named("getDeviceLog", Devices).query(shapes::DEVICE_LOG)
        .more("One answer holds 50,000 lines and 16 MiB at most, and a search looks at 256 MiB of what boards say; `more` and the places lead on.")
        .gives(&[one_of(
            &[("application/json", Kind::Of(&shapes::LOG_PAGE)), ("text/event-stream", Kind::Text)],
            "Lines; in a stream an event `line` for each, `skipped` where there were too many, and ids from which it goes on.",
        )])
        .fails(&[BAD_QUERY]),
    get("/api/device/{device}/attempts", Any, Device(attempts::of_device), "What happened at its boots, against what is usual for its hardware.")
        .named("listDeviceAttempts", Devices).query(shapes::ATTEMPTS_QUERY)
        .more("An attempt is a power cycle and all that follows until the board rests or is given up. What is usual comes from the last good attempts of the same hardware type, purpose and image.")
        .gives(&[ok(&shapes::ATTEMPTS)]).fails(&[BAD_QUERY]),
    get("/api/log/unknown", Any, Plain(logs::unknown), "Who sends syslog lines although no device is known for the address, and the last of them.")
        .named("listUnknownSenders", Devices).query(shapes::UNKNOWN_SENDERS).gives(&[ok(&shapes::UNKNOWN)]).fails(&[BAD_QUERY]),
    get("/api/device/{device}/bootconfig", Any, Device(device::boot_config), "What the second stage is to be told, as JSON text.")
        .named("getBootConfig", Devices).gives(&[json(200, Kind::Anything, "The boot config, or `null`.")])
        .fails(&[(403, "The call comes neither from the device's board nor from somebody who may read.")]),
    get("/api/device/{device}/event/{event}", DeviceServer, Device(device::event), "Something happened to a device.")
        .named("sendDeviceEventByGet", Devices).more(EVENT_MORE).query(shapes::DEVICE_EVENT)
        .gives(EVENT_ANSWER).fails(EVENT_FAILS),
    post("/api/device/{device}/event/{event}", DeviceServer, Device(device::event), "Something happened to a device, or is asked of it.")
        .named("sendDeviceEvent", Devices).more(EVENT_MORE).query(shapes::DEVICE_EVENT).may_take(&shapes::DEVICE_EVENT_BODY)
        .gives(EVENT_ANSWER).fails(EVENT_FAILS),
    post("/api/device/{device}/state-change/{from}/to/{to}", DeviceServer, Device(device::force), "Puts a device into a state, if it is in another.")
        .named("forceDeviceState", Devices).gives(DONE)
        .fails(&[(400, "There is no such state to put it into."), (409, "The device is in another state than `from`.")]),
    post("/api/device/{device}/set-comments", DeviceServer, Device(device::set_comments), "Changes people's notes.")
        .named("setDeviceComments", Devices).takes(&shapes::COMMENTS).gives(NULL).fails(&[BAD_BODY]),
    post("/api/device/{device}/set-environment", DeviceServer, Device(device::set_environment), "Moves a device to another pool.")
        .named("setDeviceEnvironment", Devices).takes(&shapes::ENVIRONMENT).gives(NULL).fails(&[BAD_BODY]),

    post("/api/device/{device}/power-cycle", DeviceServer, Device(bmm::power_cycle), "Off and on, to boot a PXE config or its own disk.")
        .named("powerCycle", Hardware).more("Answered at once; the cycle runs on.").may_take(&shapes::POWER_CYCLE).gives(DONE)
        .fails(&[BAD_BODY, (404, "There is no such device or PXE config."), HANDS_OFF]),
    get("/api/device/{device}/power-off", DeviceServer, Device(bmm::power_off), "Off.")
        .named("powerOffByGet", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    post("/api/device/{device}/power-off", DeviceServer, Device(bmm::power_off), "Off.")
        .named("powerOff", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    get("/api/device/{device}/power-on", DeviceServer, Device(bmm::power_on), "On.")
        .named("powerOnByGet", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    post("/api/device/{device}/power-on", DeviceServer, Device(bmm::power_on), "On.")
        .named("powerOn", Hardware).gives(DONE).fails(&[HANDS_OFF]),
    get("/api/device/{device}/power", DeviceServer, Device(bmm::power), "Asks the relay whether it is on.")
        .named("getPower", Hardware).gives(&[ok(&shapes::POWER)]).fails(&[NO_RELAY]),
    post("/api/device/{device}/clear-pxe", DeviceServer, Device(bmm::clear_pxe), "Lets the device boot its own disk.")
        .named("clearPxe", Hardware).gives(DONE).fails(&[(409, "The device is `locked_out`.")]),
    get("/api/device/{device}/pxe", DeviceServer, Device(bmm::pxe), "What the device would get from the network now, and why.")
        .named("getPxe", Hardware).gives(&[ok(&shapes::PXE)]),
    post("/api/device/{device}/pxe-draft", DeviceServer, Device(bmm::pxe_draft), "What the device would get if a PXE config had these contents.")
        .named("draftPxeConfig", Hardware).more("Changes nothing. A template that cannot be rendered is no error of the call: `error` has its line and why.")
        .takes(&shapes::PXE_DRAFT_BODY).gives(&[ok(&shapes::PXE_DRAFT)]).fails(&[BAD_BODY, (404, "There is no such device or image.")]),
    get("/api/device/{device}/ping", DeviceServer, Device(bmm::ping), "Asks the device for a sign of life.")
        .named("pingDevice", Hardware).more("Within a second.").gives(&[ok(&shapes::SUCCESS)]),
    get("/api/relay/{board}/test", BoardServer, Board(bmm::test_board), "Asks a relay board for its two-way test.")
        .named("testRelayBoard", Hardware).more("Switches nothing; eleven seconds at most.").gives(&[ok(&shapes::SUCCESS)]),
    get("/api/bmm/pxe_config/list", Any, Plain(bmm::pxe_configs), "Names of PXE configs; `active_only` of them.")
        .named("listPxeConfigs", Pool).query(shapes::PXE_CONFIG_LIST).gives(&[ok(&shapes::PXE_CONFIGS)]),
    get("/api/bmm/pxe_config/{name}/details", Any, Plain(bmm::pxe_config), "A PXE config.")
        .named("getPxeConfig", Pool).gives(&[ok(&shapes::PXE_CONFIG_DETAILS)]).fails(&[(404, "There is no such PXE config.")]),

    get("/api/request/list", Any, Plain(request::list), "Requests of all servers; with `include_closed`, closed ones too.")
        .named("listRequests", Requests).query(shapes::REQUEST_LIST).gives(&[ok(&shapes::REQUESTS), SAME]),
    get("/api/request/{request}/status", Any, Request(request::status), "State and last log lines.")
        .named("getRequestStatus", Requests).gives(&[ok(&shapes::REQUEST_STATUS)]),
    get("/api/request/{request}/details", Any, Request(request::details), "All about a request.")
        .named("getRequest", Requests).gives(&[ok(&shapes::REQUEST_DETAILS)]),
    get("/api/request/{request}/log", Any, Request(request::log), "All log lines.")
        .named("getRequestLog", Requests).gives(&[ok(&shapes::LOG)]),
    post("/api/request/{request}/renew", RequestServerWhileThere, Request(request::renew), "Keeps the device for so many seconds from now.")
        .named("renewRequest", Requests).takes(&shapes::RENEWAL).gives(&[empty(204, "It ends later.")])
        .fails(&[BAD_BODY, (409, "The request has ended.")]),
    post("/api/request/{request}/return", RequestServerWhileThere, Request(request::close), "Gives the device back.")
        .named("returnRequest", Requests).reads(&shapes::RETURN).gives(&[empty(204, "The request has ended, now or earlier.")]),
    get("/api/request/{request}/event/{event}", RequestServer, Request(request::event), "Something happened to a request.")
        .named("sendRequestEventByGet", Requests).gives(DONE).fails(&[BAD_BODY]),
    post("/api/request/{request}/event/{event}", RequestServer, Request(request::event), "Something happened to a request.")
        .named("sendRequestEvent", Requests).may_take(&shapes::REQUEST_EVENT).gives(DONE).fails(&[BAD_BODY]),

    get("/api/server/list", Any, Plain(peer::servers), "The imaging servers of the pool, and which of them live.")
        .named("listServers", Pool).gives(&[ok(&shapes::SERVERS)]),
    post("/api/peer/letter", Any, Plain(peer::letter), "What another imaging server of the pool has to say; no call for clients.")
        .named("takeLetter", Pool).takes(&shapes::LETTER).gives(&[ok(&shapes::LETTER_ANSWER)])
        .fails(&[
            (400, "The body is no JSON object, lacks a key, or the letter cannot be read."),
            (403, "The letter's seal is wrong, or the page is a foreign one."),
            (409, "This server is alone, or another one than the letter is for, or has another version."),
        ]),
    get("/api/environment/list", Any, Plain(image::environments), "Environments that devices are in.")
        .named("listEnvironments", Pool).gives(&[ok(&shapes::ENVIRONMENTS)]),
    get("/api/image/list", Any, Plain(image::images), "Images that are not hidden.")
        .named("listImages", Pool).gives(&[ok(&shapes::IMAGES)]),

    get("/api/report/list", Any, Plain(report::list), "Which reports there are, what they can be grouped by, and their columns.")
        .named("listReports", Reports).gives(&[ok(&shapes::REPORTS)]),
    get("/api/report/{report}", Any, Plain(report::make), "A report about a time.")
        .named("getReport", Reports).query(shapes::REPORT_QUERY)
        .more("Of all servers. Two reports are made at once, and others wait for their turn: one may read a year of hundreds of boards.")
        .gives(&[one_of(
            &[("application/json", Kind::Of(&shapes::REPORT)), ("text/csv", Kind::Text)],
            "Rows; as CSV (RFC 4180) with the columns' names first, where cells that a spreadsheet would take for a formula begin with `'`.",
        )])
        .fails(&[BAD_QUERY, (404, "There is no such report.")]),
    get("/api/repair/list", Any, Plain(repair::list), "Devices that have failed and wait for a person, by relay board, bank and relay.")
        .named("listRepairs", Reports).gives(&[ok(&shapes::REPAIRS)]),
    get("/api/device/{device}/history", Any, Device(report::history), "How a device was, the newest first.")
        .named("getDeviceHistory", Reports).query(shapes::DEVICE_HISTORY).gives(&[ok(&shapes::HISTORY)]).fails(&[BAD_QUERY]),

    get("/api/device/{device}/details", Any, Device(admin::device_details), "All about a device.")
        .named("getDevice", Admin).gives(&[ok(&shapes::DEVICE_FULL)]),
    get("/api/device/{device}", Any, Device(admin::device_details), "All about a device: what `PUT` answers.")
        .named("readDevice", Admin).gives(&[ok(&shapes::DEVICE_FULL)]),
    put("/api/device/{name}", Plain(admin::put_device), "Makes a device, or changes the fields that are given.")
        .named("putDevice", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::DEVICE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::DEVICE_FULL), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::DEVICE_FULL), TO_OWNER])
        .fails(PUT_FAILS),
    delete("/api/device/{device}", DeviceServer, Device(admin::delete_device), "Deletes a device and its log.")
        .named("deleteDevice", Admin).query(shapes::DELETE).gives(DELETED).fails(&[IN_USE]),
    get("/api/candidate/list", Any, Plain(candidate::list), "Boards that have turned to this pool and are no devices, with what is known of them.")
        .named("listCandidates", Admin).query(shapes::CANDIDATE_LIST).gives(&[ok(&shapes::CANDIDATES)]),
    post("/api/candidate/{mac}/accept", Any, Plain(candidate::accept), "Makes a device of one.")
        .named("acceptCandidate", Admin).query(shapes::ACCEPT).row(&shapes::ACCEPT_ROW)
        .more("What the body does not say is as proposed; `null` leaves it open. The device begins as every new one, with a test of itself.")
        .gives(&[json(200, Kind::Of(&shapes::DIFFERENCES), "What `dry_run` would make."), put_201(&shapes::DEVICE_FULL), TO_OWNER])
        .fails(&[
            (400, "The body is no JSON object, or a field is unknown or wrong; the error names it, and nothing is changed."),
            (404, "There is no such candidate."), (409, "There is a device of this name."),
        ]),
    post("/api/candidate/{mac}/ignore", Any, Plain(candidate::ignore), "Leaves one out of the list from now on.")
        .named("ignoreCandidate", Admin).query(shapes::IGNORE).gives(DONE).fails(&[(404, "There is no such candidate.")]),
    get("/api/hardware_type/list", Any, Plain(admin::hardware_types), "Hardware types with all about them.")
        .named("listHardwareTypes", Admin).gives(&[ok(&shapes::HARDWARE_TYPES)]),
    get("/api/hardware_type/{type}", Any, Plain(admin::hardware_type), "A hardware type without a model.")
        .named("getHardwareType", Admin).gives(&[ok(&shapes::HARDWARE_TYPE)]).fails(&[NOT_THERE]),
    get("/api/hardware_type/{type}/{model}", Any, Plain(admin::hardware_type), "A hardware type.")
        .named("getHardwareModel", Admin).gives(&[ok(&shapes::HARDWARE_TYPE)]).fails(&[NOT_THERE]),
    put("/api/hardware_type/{type}", Plain(admin::put_hardware_type), "Makes or changes a hardware type without a model.")
        .named("putHardwareType", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::HARDWARE_TYPE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::HARDWARE_TYPE), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::HARDWARE_TYPE)])
        .fails(PUT_FAILS),
    put("/api/hardware_type/{type}/{model}", Plain(admin::put_hardware_type), "Makes or changes a hardware type.")
        .named("putHardwareModel", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::HARDWARE_TYPE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::HARDWARE_TYPE), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::HARDWARE_TYPE)])
        .fails(PUT_FAILS),
    delete("/api/hardware_type/{type}", Any, Plain(admin::delete_hardware_type), "Deletes a hardware type without a model.")
        .named("deleteHardwareType", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    delete("/api/hardware_type/{type}/{model}", Any, Plain(admin::delete_hardware_type), "Deletes a hardware type.")
        .named("deleteHardwareModel", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    get("/api/image/{name}/details", Any, Plain(admin::image_details), "All about an image.")
        .named("getImage", Admin).gives(&[ok(&shapes::IMAGE_FULL)]).fails(&[(404, "There is no such image.")]),
    get("/api/image/{name}", Any, Plain(admin::image_details), "All about an image: what `PUT` answers.")
        .named("readImage", Admin).gives(&[ok(&shapes::IMAGE_FULL)]).fails(&[NOT_THERE]),
    put("/api/image/{name}", Plain(admin::put_image), "Makes an image, or changes the fields that are given.")
        .named("putImage", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::IMAGE_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::IMAGE_FULL), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::IMAGE_FULL)])
        .fails(PUT_FAILS),
    delete("/api/image/{name}", Any, Plain(admin::delete_image), "Deletes an image.")
        .named("deleteImage", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    get("/api/bmm/pxe_config/{name}", Any, Plain(admin::pxe_config), "A PXE config: what `PUT` answers.")
        .named("readPxeConfig", Admin).gives(&[ok(&shapes::PXE_CONFIG_FULL)]).fails(&[NOT_THERE]),
    put("/api/bmm/pxe_config/{name}", Plain(admin::put_pxe_config), "Makes a PXE config, or changes the fields that are given.")
        .named("putPxeConfig", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::PXE_CONFIG_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::PXE_CONFIG_FULL), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::PXE_CONFIG_FULL)])
        .fails(PUT_FAILS),
    delete("/api/bmm/pxe_config/{name}", Any, Plain(admin::delete_pxe_config), "Deletes a PXE config.")
        .named("deletePxeConfig", Admin).query(shapes::DELETE).gives(DELETED).fails(DELETE_FAILS),
    get("/api/relay/list", Any, Plain(admin::relay_boards), "Relay boards.")
        .named("listRelayBoards", Admin).gives(&[ok(&shapes::RELAY_BOARDS)]),
    get("/api/relay/{board}", Any, Board(admin::relay_board), "A relay board.")
        .named("getRelayBoard", Admin).gives(&[ok(&shapes::RELAY_BOARD)]),
    put("/api/relay/{name}", Plain(admin::put_relay_board), "Makes a relay board, or changes the fields that are given.")
        .named("putRelayBoard", Admin).more(PUT_MORE).query(shapes::PUT).row(&shapes::RELAY_BOARD_ROW)
        .gives(&[put_200(Kind::Either(&[Kind::Of(&shapes::RELAY_BOARD), Kind::Of(&shapes::DIFFERENCES)])), put_201(&shapes::RELAY_BOARD), TO_OWNER])
        .fails(PUT_FAILS),
    delete("/api/relay/{board}", BoardServer, Board(admin::delete_relay_board), "Deletes a relay board.")
        .named("deleteRelayBoard", Admin).query(shapes::DELETE).gives(DELETED).fails(&[IN_USE]),
    post("/api/lab/import", Any, Plain(admin::import), "Brings everything to what a lab file says.")
        .named("importLab", Admin).query(shapes::IMPORT)
        .more("All or nothing: rows that it names are made or changed, others stay. Its type goes by `Content-Type` or `format`.")
        .takes_one(&[("application/toml", Kind::Text), ("application/json", Kind::Object), ("text/csv", Kind::Text)])
        .gives(&[ok(&shapes::DIFFERENCES)])
        .fails(&[(400, "The file cannot be read, or a row cannot be what it says; the error names row and field, and nothing is changed."),
            (409, "What is there stands in the way."), (413, "The file is longer than 32 mebibytes.")]),
    get("/api/lab/export", Any, Plain(admin::export), "Everything as a lab file.")
        .named("exportLab", Admin).query(shapes::EXPORT)
        .gives(&[one_of(&[("application/toml", Kind::Text), ("application/json", Kind::Object), ("text/csv", Kind::Text)], "A lab file; imported again it changes nothing.")])
        .fails(&[BAD_QUERY]),
    get("/api/inventory", Any, Plain(inventory::show), "The inventory that devices come from, and its last run.")
        .named("getInventory", Admin).gives(&[ok(&shapes::INVENTORY)]),
    post("/api/inventory/sync", Any, Plain(inventory::sync), "Brings devices and relay boards to what the inventory says now.")
        .named("syncInventory", Admin).query(shapes::INVENTORY_SYNC)
        .more("All or nothing. Devices that were made by hand are left alone; those that somebody needs wait for the next run.")
        .gives(&[ok(&shapes::INVENTORY_SYNCED)])
        .fails(&[(409, "There is no inventory, or it contradicts itself, has no devices, or would change more than passes without `ship_it`."),
            (502, "The inventory does not answer, or cannot be read; nothing is changed.")]),
];

/// What a pattern's `{names}` stand for in a path.
pub type Params = Vec<(&'static str, String)>;

/// What the table says about a path and a method.
#[derive(Debug)]
pub enum Found<'r> {
    /// Answer it so.
    Route(&'r Route, Params),
    /// The path exists for these methods.
    WrongMethod(String),
    /// The path exists; these methods may be asked for, and the route is one of them.
    Preflight(String, &'r Route),
    /// No such path.
    Nothing,
}

/// Looks a call up in `routes`.
pub fn find<'r>(routes: &'r [Route], call: &Call) -> Found<'r> {
    let wanted = if call.verb == Verb::Head { Verb::Get } else { call.verb };
    let mut same_path: Vec<(&Route, Params)> =
        routes.iter().filter_map(|route| Some((route, matches(route.path, call.path())?))).collect();
    // `…/list` is a list and nothing of that name.
    let fewest = same_path.iter().map(|(_, params)| params.len()).min();
    same_path.retain(|(_, params)| Some(params.len()) == fewest);
    if let Some(at) = same_path.iter().position(|(route, _)| route.verb == wanted) {
        let (route, params) = same_path.swap_remove(at);
        return Found::Route(route, params);
    }
    let same_path: Vec<&Route> = same_path.into_iter().map(|(route, _)| route).collect();
    let Some(first) = same_path.iter().find(|r| r.guarded()).or(same_path.first()) else {
        return Found::Nothing;
    };
    let allow = allow(&same_path);
    if call.verb == Verb::Options { Found::Preflight(allow, first) } else { Found::WrongMethod(allow) }
}

/// The place in [`ROUTES`] of the route that a call is for; nothing for those that are turned away. For counting: it costs nothing
/// that would be noticed, and allocates nothing.
pub fn place(verb: Verb, path: &str) -> Option<usize> {
    let wanted = if verb == Verb::Head { Verb::Get } else { verb };
    let path = path.strip_suffix('/').unwrap_or(path);
    let names = |route: &Route| route.path.matches('{').count();
    let of_path = || ROUTES.iter().enumerate().filter(|(_, r)| fits(r.path, path));
    // As for `find`: `…/list` is a list and nothing of that name, whatever is to be done with it.
    let fewest = of_path().map(|(_, r)| names(r)).min()?;
    of_path().find(|(_, r)| r.verb == wanted && names(r) == fewest).map(|(place, _)| place)
}

/// The value of an `Allow` header.
fn allow(routes: &[&Route]) -> String {
    let has = |verb| routes.iter().any(|r| r.verb == verb);
    let mut methods = Vec::new();
    if has(Verb::Get) {
        methods.extend(["GET", "HEAD"]);
    }
    for (verb, name) in [(Verb::Post, "POST"), (Verb::Put, "PUT"), (Verb::Delete, "DELETE")] {
        if has(verb) {
            methods.push(name);
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// Every call is held against every pattern, so what does not fit must cost nothing: this allocates nothing.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut want, mut have) = (pattern.split('/'), path.split('/'));
    loop {
        match (want.next(), have.next()) {
            (None, None) => return true,
            (Some(w), Some(h)) if w == h || (w.starts_with('{') && !h.is_empty()) => {}
            _ => return false,
        }
    }
}

fn matches(pattern: &'static str, path: &str) -> Option<Params> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if !fits(pattern, path) {
        return None;
    }
    let (mut want, mut have) = (pattern.split('/'), path.split('/'));
    let mut params = Params::new();
    loop {
        match (want.next(), have.next()) {
            (None, None) => return Some(params),
            (Some(w), Some(h)) => match w.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                Some(name) if !h.is_empty() => params.push((name, decode(h).into_owned())),
                None if w == h => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(verb: Verb, target: &str) -> String {
        match find(ROUTES, &Call::new(verb, target)) {
            Found::Route(route, params) => {
                let params: Vec<String> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("{} {}", route.path, params.join(" ")).trim_end().to_owned()
            }
            Found::WrongMethod(allow) => format!("405 {allow}"),
            Found::Preflight(allow, route) => format!("204 {allow} {}", route.guarded()),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn a_path_is_found_with_and_without_its_slash_by_its_method() {
        use Verb::{Delete, Get, Head, Options, Other, Post, Put};
        for (verb, target, want) in [
            (Get, "/api/version", "/api/version"),
            (Get, "/api/version/", "/api/version"),
            (Head, "/api/version/?x=/y", "/api/version"),
            (Get, "/api/device/list/?details=1", "/api/device/list"),
            (Post, "/api/device/any/request/", "/api/device/{requested}/request requested=any"),
            (Post, "/api/device/a%20b/event/x", "/api/device/{device}/event/{event} device=a b event=x"),
            (
                Post,
                "/api/device/p/state-change/new/to/ready/",
                "/api/device/{device}/state-change/{from}/to/{to} device=p from=new to=ready",
            ),
            (Get, "/api/request/7/log", "/api/request/{request}/log request=7"),
            (Other, "/api/version", "405 GET, HEAD, OPTIONS"),
            (Post, "/api/version/", "405 GET, HEAD, OPTIONS"),
            (Get, "/api/device/p/power-cycle", "405 POST, OPTIONS"),
            (Other, "/api/device/p/power-off", "405 GET, HEAD, POST, OPTIONS"),
            (Options, "/api/device/p/event/x", "204 GET, HEAD, POST, OPTIONS true"),
            (Options, "/api/image/list", "204 GET, HEAD, OPTIONS false"),
            (Put, "/api/image/list", "405 GET, HEAD, OPTIONS"),
            (
                Put,
                "/api/hardware_type/panda/ES%20Rev%20B2",
                "/api/hardware_type/{type}/{model} type=panda model=ES Rev B2",
            ),
            (Delete, "/api/hardware_type/panda/", "/api/hardware_type/{type} type=panda"),
            (Post, "/api/device/p", "405 GET, HEAD, PUT, DELETE, OPTIONS"),
            (Options, "/api/device/p/", "204 GET, HEAD, PUT, DELETE, OPTIONS true"),
            (Get, "/api/device/p", "/api/device/{device} device=p"),
            (Get, "/api/relay/list/", "/api/relay/list"),
            (Get, "/api/device//status/", "404"),
            (Get, "/api/device/list//", "404"),
            (Get, "/api/device", "404"),
            (Get, "/api", "404"),
            (Get, "/api/device/p/status/more", "404"),
            (Get, "//api/version", "404"),
        ] {
            assert_eq!(look(verb, target), want, "{verb:?} {target}");
        }
    }

    #[test]
    fn a_call_is_counted_under_the_route_that_answers_it() {
        for route in ROUTES {
            let path = route.path.replace(['{', '}'], "");
            let call = Call::new(route.verb, path.clone() + "/?x=1");
            let Found::Route(found, _) = find(ROUTES, &call) else { panic!("{path}") };
            let place = place(call.verb, call.path()).unwrap();
            assert!(std::ptr::eq(found, &raw const ROUTES[place]), "{path}: {}", ROUTES[place].path);
        }
        assert_eq!(place(Verb::Get, "/api/nothing"), None);
        assert_eq!(place(Verb::Options, "/api/version"), None);
        assert_eq!(place(Verb::Head, "/api/version"), place(Verb::Get, "/api/version/"));
    }

    /// Every kind of handler finds its resource in the path, and who owns it can be told.
    #[test]
    fn every_route_names_what_its_handler_and_its_owner_need() {
        for route in ROUTES {
            let needs = match route.run {
                Run::Plain(_) | Run::Watch(_) => "",
                Run::Device(_) | Run::Log(_) => "/api/device/{device}",
                Run::Request(_) => "/api/request/{request}",
                Run::Board(_) => "/api/relay/{board}",
            };
            assert!(route.path.starts_with(needs), "{}", route.path);
            let fits = match route.owner {
                Owner::Any => true,
                Owner::DeviceServer => matches!(route.run, Run::Device(_)),
                Owner::RequestServer | Owner::RequestServerWhileThere => matches!(route.run, Run::Request(_)),
                Owner::BoardServer => matches!(route.run, Run::Board(_)),
            };
            assert!(fits, "{}", route.path);
            assert!(!route.path.ends_with('/') && route.doc.ends_with('.'), "{}", route.path);
            let same = ROUTES.iter().filter(|r| r.path == route.path && r.verb == route.verb).count();
            assert_eq!(same, 1, "{}", route.path);
        }
    }
}
