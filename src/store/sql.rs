//! All SQL that the store's verbs use, as one list of texts for every kind of database.
//!
//! It keeps to what SQLite and MySQL share: `?` placeholders, `LIMIT ?`, `INSERT … SELECT`, no upserts, no dialect types.
//! What differs (DDL, numbering) lies in `migrations/`. Column lists are in the order in which the decoders read them.

/// `NULL` as `?` matches everything; the placeholder appears twice, so its argument is given twice.
macro_rules! select_devices {
    ($($rest:literal)*) => {
        concat!(
            "SELECT d.name, d.id, d.fqdn, d.mac, d.imaging_server, d.relay_info, d.environment, d.hardware_id, h.type, h.model, ",
            "d.processor, d.tags, d.comments, d.inventory_id, ",
            "d.state, d.epoch, d.state_since, d.deadline, d.counters, d.installed_image, d.installed_config, ",
            "d.next_image, d.next_config, d.boot_pxe_config, d.boot_config, d.boot_token, d.vanished, d.self_testing, d.progress, d.failures, ",
            "r.id, r.imaging_server, b.server ",
            "FROM devices d LEFT JOIN hardware_types h ON h.id = d.hardware_id ",
            "LEFT JOIN claims c ON c.device_id = d.id LEFT JOIN requests r ON r.id = c.request_id ",
            "LEFT JOIN server_heartbeats b ON b.server = d.imaging_server AND b.gone = 1 ",
            $($rest),*
        )
    };
}

macro_rules! select_requests {
    ($($rest:literal)*) => {
        concat!(
            "SELECT r.id, r.imaging_server, r.assignee, r.reason, r.created, ",
            "r.requested_device, r.environment, r.image, r.boot_config, r.hardware_type, r.hardware_model, r.processor, r.tags, ",
            "r.state, r.epoch, r.deadline, r.counters, r.expires, r.queue_until, d.name, d.state ",
            "FROM requests r LEFT JOIN claims c ON c.request_id = r.id LEFT JOIN devices d ON d.id = c.device_id ",
            $($rest),*
        )
    };
}

// Devices.
pub(super) const DEVICES_OF_SERVER: &str = select_devices!("WHERE d.imaging_server = ? ORDER BY d.name");
pub(super) const DEVICES_ALL: &str = select_devices!("ORDER BY d.name");
pub(super) const DEVICE: &str = select_devices!("WHERE d.name = ?");
/// Sixteen names, of which some may be the same.
pub(super) const DEVICES_SOME: &str =
    select_devices!("WHERE d.name IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
pub(super) const DEVICES_FILTERED: &str = select_devices!(
    "WHERE (? IS NULL OR d.state = ?) AND (? IS NULL OR d.environment = ?) AND (? IS NULL OR d.installed_image = ?) "
    "AND (? IS NULL OR h.type = ?) AND (? IS NULL OR d.name > ?) ORDER BY d.name LIMIT ?"
);
pub(super) const DEVICE_NAMES: &str = "SELECT name FROM devices ORDER BY name";
pub(super) const DEVICE_ADDRESSES: &str =
    "SELECT name, fqdn FROM devices WHERE imaging_server = ? ORDER BY name";
pub(super) const DEVICE_MACS: &str =
    "SELECT name, mac FROM devices WHERE imaging_server = ? AND mac IS NOT NULL ORDER BY name";
pub(super) const DEVICE_NAMED: &str = "SELECT d.state, c.request_id, b.server FROM devices d LEFT JOIN claims c ON c.device_id = d.id \
    LEFT JOIN server_heartbeats b ON b.server = d.imaging_server AND b.gone = 1 WHERE d.name = ?";
pub(super) const ENVIRONMENTS: &str =
    "SELECT DISTINCT environment FROM devices WHERE environment <> '' ORDER BY environment";
/// All devices as the census wants them.
pub(super) const BOARDS: &str = "SELECT d.name, d.environment, d.hardware_id, d.processor, d.tags, d.state, c.request_id, b.server \
    FROM devices d LEFT JOIN claims c ON c.device_id = d.id \
    LEFT JOIN server_heartbeats b ON b.server = d.imaging_server AND b.gone = 1 ORDER BY d.name LIMIT ?";

// The search. Everything here is answered by the index `devices_free` alone, in which free devices of one kind stand together.
/// The next kind after the given one: one step into the index, however many devices a kind has. The lot that is given is
/// beyond all that there are: SQLite looks at every row that is equal in all columns of such a comparison.
pub(super) const FREE_KIND_NEXT: &str = "SELECT free_image, environment, hardware_id, processor, tags FROM devices \
    WHERE (free_image, environment, hardware_id, processor, tags, lot) > (?, ?, ?, ?, ?, ?) AND hardware_id IS NOT NULL \
    ORDER BY free_image, environment, hardware_id, processor, tags LIMIT 1";
/// … and all that follow, by walking over their devices: cheaper where nearly every device is of a kind of its own.
pub(super) const FREE_KINDS_AFTER: &str = "SELECT DISTINCT free_image, environment, hardware_id, processor, tags FROM devices \
    WHERE (free_image, environment, hardware_id, processor, tags, lot) > (?, ?, ?, ?, ?, ?) AND hardware_id IS NOT NULL \
    ORDER BY free_image, environment, hardware_id, processor, tags";
/// From a place in the round on, and what stands before it.
pub(super) const FREE_NAMES_FROM: &str = "SELECT name FROM devices WHERE free_image = ? AND environment = ? \
    AND hardware_id = ? AND processor = ? AND tags = ? AND lot >= ? ORDER BY lot LIMIT ?";
pub(super) const FREE_NAMES_BEFORE: &str = "SELECT name FROM devices WHERE free_image = ? AND environment = ? \
    AND hardware_id = ? AND processor = ? AND tags = ? AND lot < ? ORDER BY lot LIMIT ?";
/// Puts right what says that a device is free, where it is not so; touches no row that is right.
macro_rules! mend_free {
    ($($which:literal)*) => {
        concat!(
            "UPDATE devices SET free_image = CASE WHEN state = 'ready' ",
            "AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.device_id = devices.id) ",
            "AND NOT EXISTS (SELECT 1 FROM server_heartbeats b WHERE b.server = devices.imaging_server AND b.gone = 1) ",
            "THEN COALESCE(installed_image, '') ELSE NULL END WHERE ",
            $($which,)*
            "(CASE WHEN state = 'ready' AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.device_id = devices.id) ",
            "AND NOT EXISTS (SELECT 1 FROM server_heartbeats b WHERE b.server = devices.imaging_server AND b.gone = 1) ",
            "THEN free_image IS NULL OR free_image <> COALESCE(installed_image, '') ELSE free_image IS NOT NULL END)"
        )
    };
}
pub(super) const DEVICE_MEND_FREE: &str = mend_free!("name = ? AND ");
pub(super) const DEVICES_MEND_FREE: &str = mend_free!();
/// The first time, in a schema that knows nothing of imaging servers that are gone.
pub(super) const DEVICES_BEGIN_FREE: &str = "UPDATE devices SET free_image = CASE WHEN state = 'ready' \
    AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.device_id = devices.id) THEN COALESCE(installed_image, '') ELSE NULL END";
pub(super) const SERVER_MEND_FREE: &str = mend_free!("imaging_server = ? AND ");
pub(super) const DEVICE_SET_LOT: &str = "UPDATE devices SET lot = ? WHERE name = ?";
pub(super) const DEVICE_OF_CLAIM: &str =
    "SELECT d.name FROM claims c JOIN devices d ON d.id = c.device_id WHERE c.request_id = ?";
pub(super) const HARDWARE_OF_IMAGE: &str = "SELECT hardware_id FROM image_pxe_configs WHERE image = ?";
pub(super) const DEVICE_MOVE: &str = "UPDATE devices SET state = ?, epoch = ?, state_since = ?, deadline = ?, counters = ?, \
    installed_image = ?, installed_config = ?, next_image = ?, next_config = ?, boot_pxe_config = ?, boot_config = ?, boot_token = ?, \
    vanished = ?, self_testing = ?, progress = ?, failures = ?, \
    trail = CASE WHEN ? = '' THEN trail WHEN LENGTH(trail) < 4000 THEN CONCAT(trail, ?) ELSE trail END \
    WHERE name = ? AND epoch = ?";
pub(super) const DEVICE_SET_COMMENTS: &str = "UPDATE devices SET comments = ? WHERE name = ?";
pub(super) const DEVICE_SET_ENVIRONMENT: &str = "UPDATE devices SET environment = ? WHERE name = ?";
pub(super) const DEVICE_INSERT: &str = "INSERT INTO devices (name, fqdn, mac, imaging_server, relay_info, environment, \
    hardware_id, processor, tags, comments, inventory_id, state, epoch, state_since, deadline, counters, vanished, \
    self_testing, failures) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', 0, 0, '[]')";
pub(super) const DEVICE_DESCRIBE: &str = "UPDATE devices SET fqdn = ?, mac = ?, imaging_server = ?, relay_info = ?, \
    environment = ?, hardware_id = ?, processor = ?, tags = ?, comments = ?, inventory_id = ? WHERE name = ?";
pub(super) const DEVICE_RENAME: &str = "UPDATE devices SET name = ? WHERE name = ?";
/// What was decided on whoever had the name before is stale from here on.
pub(super) const DEVICE_BEGIN_EPOCH: &str = "UPDATE devices SET epoch = ? WHERE name = ?";
/// A device that gets another imaging server: what the old one decided on is stale from here on.
pub(super) const DEVICE_HAND_OVER: &str = "UPDATE devices SET epoch = epoch + 1 WHERE name = ?";
pub(super) const DEVICE_FORGET_MAC: &str = "UPDATE devices SET mac = NULL WHERE name = ?";
pub(super) const DEVICE_OF_MAC: &str = "SELECT name FROM devices WHERE mac = ?";
pub(super) const DEVICE_RELAYS: &str = "SELECT name, relay_info FROM devices WHERE relay_info <> ''";

// Requests and claims.
pub(super) const REQUESTS_OF_SERVER: &str =
    select_requests!("WHERE r.imaging_server = ? AND r.state <> 'closed' ORDER BY r.id");
pub(super) const REQUEST: &str = select_requests!("WHERE r.id = ?");
pub(super) const REQUESTS_ALL: &str = select_requests!("ORDER BY r.id");
pub(super) const REQUESTS_NOT_CLOSED: &str = select_requests!("WHERE r.state <> 'closed' ORDER BY r.id");
pub(super) const REQUEST_INSERT: &str = "INSERT INTO requests (imaging_server, assignee, reason, created, requested_device, \
    environment, image, boot_config, hardware_type, hardware_model, processor, tags, state, epoch, deadline, counters, \
    expires, queue_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?)";
pub(super) const REQUEST_MOVE: &str = "UPDATE requests SET state = ?, epoch = ?, deadline = ?, counters = ?, expires = ?, \
    queue_until = ? WHERE id = ? AND epoch = ?";
pub(super) const REQUEST_HAS_EPOCH: &str = "SELECT id FROM requests WHERE id = ? AND epoch = ?";
/// Takes a device for a request that has not moved. No row: it has moved, or the device is not `ready`.
pub(super) const CLAIM_TAKE: &str = "INSERT INTO claims (request_id, device_id) \
    SELECT r.id, d.id FROM requests r, devices d WHERE r.id = ? AND r.epoch = ? AND d.name = ? AND d.state = 'ready' \
    AND NOT EXISTS (SELECT 1 FROM server_heartbeats b WHERE b.server = d.imaging_server AND b.gone = 1)";
pub(super) const CLAIM_DROP: &str = "DELETE FROM claims WHERE request_id = ?";
pub(super) const CLAIM_SET_RESULT: &str =
    "UPDATE claims SET imaging_result = ? WHERE device_id = (SELECT id FROM devices WHERE name = ?)";
pub(super) const CLAIM_RESULT: &str = "SELECT request_id, imaging_result FROM claims WHERE request_id = ?";
pub(super) const REQUESTS_EXPIRED: &str =
    "SELECT id FROM requests WHERE expires < ? ORDER BY expires LIMIT ?";
pub(super) const REQUEST_DELETE: &str = "DELETE FROM requests WHERE id = ?";
pub(super) const REQUEST_LOG_DELETE: &str = "DELETE FROM request_logs WHERE request_id = ?";

// Logs. The owner is looked up in the same statement: a line for what is gone inserts no row.
pub(super) const DEVICE_LOG_APPEND: &str =
    "INSERT INTO device_logs (device_id, at, source, message) SELECT id, ?, ?, ? FROM devices WHERE name = ?";
pub(super) const REQUEST_LOG_APPEND: &str = "INSERT INTO request_logs (request_id, at, source, message) SELECT id, ?, ?, ? FROM requests WHERE id = ?";
pub(super) const STRAY_LOG_APPEND: &str = "INSERT INTO stray_logs (at, sender, message) VALUES (?, ?, ?)";
pub(super) const DEVICE_ID: &str = "SELECT id FROM devices WHERE name = ?";
pub(super) const DEVICE_LOG_LAST: &str = "SELECT COALESCE(MAX(id), 0) FROM device_logs WHERE device_id = ?";
pub(super) const DEVICE_LOG_BEFORE: &str = "SELECT id, at, source, message FROM device_logs \
    WHERE device_id = ? AND id < ? AND at >= ? ORDER BY id DESC LIMIT ?";
pub(super) const DEVICE_LOG_AFTER: &str = "SELECT id, at, source, message FROM device_logs \
    WHERE device_id = ? AND id > ? AND at >= ? ORDER BY id LIMIT ?";
// Pieces of device logs. A sum is a DECIMAL in MySQL, and no number that a decoder would read; SQLite casts to the same number.
pub(super) const CHUNK_APPEND: &str = "INSERT INTO device_log_chunks (device_id, first_at, last_at, line_count, bytes, text) \
    SELECT id, ?, ?, ?, ?, ? FROM devices WHERE name = ?";
pub(super) const CHUNK_LAST: &str = "SELECT COALESCE(MAX(id), 0) FROM device_log_chunks WHERE device_id = ?";
pub(super) const CHUNKS_BEFORE: &str = "SELECT id, first_at, text FROM device_log_chunks \
    WHERE device_id = ? AND id <= ? AND last_at >= ? ORDER BY id DESC LIMIT ?";
pub(super) const CHUNKS_AFTER: &str = "SELECT id, first_at, text FROM device_log_chunks \
    WHERE device_id = ? AND id >= ? AND last_at >= ? ORDER BY id LIMIT ?";
pub(super) const CHUNKS_BEHIND: &str = "SELECT CAST(COALESCE(SUM(line_count), 0) AS SIGNED), \
    CAST(COALESCE(SUM(bytes), 0) AS SIGNED), COALESCE(MAX(id), 0) \
    FROM device_log_chunks WHERE device_id = ? AND id > ?";
pub(super) const CHUNK_BYTES_ALL: &str =
    "SELECT CAST(COALESCE(SUM(bytes), 0) AS SIGNED) FROM device_log_chunks";
pub(super) const CHUNK_BYTES_MOST: &str = "SELECT device_id, CAST(SUM(bytes) AS SIGNED) AS held FROM device_log_chunks \
    GROUP BY device_id ORDER BY held DESC LIMIT 1";
pub(super) const CHUNKS_OLDEST: &str =
    "SELECT id, bytes FROM device_log_chunks WHERE device_id = ? ORDER BY id LIMIT ?";
pub(super) const CHUNK_DELETE: &str = "DELETE FROM device_log_chunks WHERE id = ?";
// Senders that no device is known for.
pub(super) const STRAY_SENDER_UPDATE: &str = "UPDATE stray_senders SET line_count = line_count + ?, last_at = ?, \
    hostname = CASE WHEN ? = '' THEN hostname ELSE ? END WHERE sender = ?";
pub(super) const STRAY_SENDER_INSERT: &str =
    "INSERT INTO stray_senders (line_count, last_at, hostname, sender, first_at) VALUES (?, ?, ?, ?, ?)";
pub(super) const STRAY_SENDERS_BEYOND: &str =
    "SELECT sender FROM stray_senders ORDER BY last_at DESC, sender LIMIT ? OFFSET ?";
pub(super) const STRAY_SENDER_DELETE: &str = "DELETE FROM stray_senders WHERE sender = ?";
pub(super) const STRAY_SENDERS: &str =
    "SELECT sender, hostname, line_count, first_at, last_at FROM stray_senders ORDER BY last_at DESC, sender";
pub(super) const STRAY_LOG_OF: &str =
    "SELECT id, at, sender, message FROM stray_logs WHERE sender = ? ORDER BY id DESC LIMIT ?";
pub(super) const REQUEST_LOG: &str =
    "SELECT id, at, source, message FROM request_logs WHERE request_id = ? ORDER BY id DESC LIMIT ?";
pub(super) const STRAY_LOG: &str = "SELECT id, at, sender, message FROM stray_logs ORDER BY id DESC LIMIT ?";
pub(super) const STRAY_LOG_LAST_DROPPED: &str = "SELECT id FROM stray_logs ORDER BY id DESC LIMIT 1 OFFSET ?";
pub(super) const STRAY_LOG_DROP: &str = "DELETE FROM stray_logs WHERE id <= ?";
// Boards that are no devices yet.
pub(super) const CANDIDATE_SEEN: &str = "UPDATE candidates SET address = ?, imaging_server = ?, last_at = ?, seen = seen + ?, \
    asked_for = CASE WHEN ? = '' THEN asked_for ELSE ? END WHERE mac = ?";
pub(super) const CANDIDATE_INSERT: &str = "INSERT INTO candidates (mac, address, imaging_server, first_at, last_at, seen, \
    asked_for, os, hardware, pool, ignored) VALUES (?, ?, ?, ?, ?, ?, ?, '', '', '', 0)";
pub(super) const CANDIDATE_AGENT: &str = "UPDATE candidates SET registered_at = ?, os = ?, hardware = ?, pool = ?, \
    command_port = ?, data_port = ? WHERE mac = ?";
pub(super) const CANDIDATE_IGNORE: &str = "UPDATE candidates SET ignored = ? WHERE mac = ?";
pub(super) const CANDIDATE_DELETE: &str = "DELETE FROM candidates WHERE mac = ?";
pub(super) const CANDIDATES_OLD: &str =
    "SELECT mac FROM candidates WHERE ignored = 0 AND last_at < ? ORDER BY last_at LIMIT ?";
pub(super) const CANDIDATES_BEYOND: &str =
    "SELECT mac FROM candidates WHERE ignored = ? ORDER BY last_at DESC, mac LIMIT ? OFFSET ?";
pub(super) const CANDIDATES: &str = "SELECT mac, address, imaging_server, first_at, last_at, seen, asked_for, registered_at, os, \
    hardware, pool, command_port, data_port, ignored FROM candidates ORDER BY last_at DESC, mac";
pub(super) const CANDIDATE: &str = "SELECT mac, address, imaging_server, first_at, last_at, seen, asked_for, registered_at, os, \
    hardware, pool, command_port, data_port, ignored FROM candidates WHERE mac = ?";
/// Per log table: the oldest lines before a time, and the deletion of one. Two steps, because MySQL cannot delete with a
/// `LIMIT` inside `IN`.
pub(super) const LOG_AGEING: [(&str, &str); 7] = [
    ("SELECT id FROM device_logs WHERE at < ? ORDER BY at LIMIT ?", "DELETE FROM device_logs WHERE id = ?"),
    ("SELECT id FROM request_logs WHERE at < ? ORDER BY at LIMIT ?", "DELETE FROM request_logs WHERE id = ?"),
    ("SELECT id FROM stray_logs WHERE at < ? ORDER BY at LIMIT ?", "DELETE FROM stray_logs WHERE id = ?"),
    ("SELECT id FROM device_log_chunks WHERE last_at < ? ORDER BY last_at LIMIT ?", CHUNK_DELETE),
    ("SELECT sender FROM stray_senders WHERE last_at < ? ORDER BY last_at LIMIT ?", STRAY_SENDER_DELETE),
    ("SELECT id FROM attempt_steps WHERE at < ? ORDER BY at LIMIT ?", ATTEMPT_STEP_DELETE),
    ("SELECT id FROM attempts WHERE started_at < ? ORDER BY started_at LIMIT ?", ATTEMPT_DELETE),
];

// What there is to install, and on what.
pub(super) const HARDWARE_TYPES: &str =
    "SELECT id, type, model, ping_steady_s, limits FROM hardware_types ORDER BY type, model";
pub(super) const HARDWARE_TYPE_INSERT: &str =
    "INSERT INTO hardware_types (type, model, ping_steady_s, limits) VALUES (?, ?, ?, ?)";
pub(super) const HARDWARE_TYPE_UPDATE: &str =
    "UPDATE hardware_types SET ping_steady_s = ?, limits = ? WHERE id = ?";
macro_rules! select_images {
    ($($rest:literal)*) => {
        concat!(
            "SELECT name, id, boot_config_keys, boot_config_defaults, can_reuse, hidden, health_check, second_stage, limits ",
            "FROM images ", $($rest),*
        )
    };
}
pub(super) const IMAGES: &str = select_images!("ORDER BY name");
pub(super) const IMAGE: &str = select_images!("WHERE name = ?");
pub(super) const IMAGE_INSERT: &str = "INSERT INTO images (boot_config_keys, boot_config_defaults, can_reuse, hidden, \
    health_check, second_stage, limits, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
pub(super) const IMAGE_UPDATE: &str = "UPDATE images SET boot_config_keys = ?, boot_config_defaults = ?, can_reuse = ?, \
    hidden = ?, health_check = ?, second_stage = ?, limits = ? WHERE name = ?";
pub(super) const MATRIX: &str =
    "SELECT image, hardware_id, pxe_config FROM image_pxe_configs ORDER BY image, hardware_id";
pub(super) const MATRIX_INSERT: &str =
    "INSERT INTO image_pxe_configs (pxe_config, image, hardware_id) VALUES (?, ?, ?)";
pub(super) const MATRIX_UPDATE: &str =
    "UPDATE image_pxe_configs SET pxe_config = ? WHERE image = ? AND hardware_id = ?";
pub(super) const MATRIX_DELETE: &str = "DELETE FROM image_pxe_configs WHERE image = ? AND hardware_id = ?";
pub(super) const PXE_CONFIGS: &str =
    "SELECT name, description, contents, active FROM pxe_configs ORDER BY name";
pub(super) const PXE_CONFIG: &str =
    "SELECT name, description, contents, active FROM pxe_configs WHERE name = ?";
pub(super) const PXE_CONFIG_INSERT: &str =
    "INSERT INTO pxe_configs (description, contents, active, name) VALUES (?, ?, ?, ?)";
pub(super) const PXE_CONFIG_UPDATE: &str =
    "UPDATE pxe_configs SET description = ?, contents = ?, active = ? WHERE name = ?";

// Servers and relay boards.
pub(super) const SERVERS: &str = "SELECT name, url FROM imaging_servers ORDER BY name";
pub(super) const SERVER_UPDATE: &str = "UPDATE imaging_servers SET url = ? WHERE name = ?";
pub(super) const SERVER_INSERT: &str = "INSERT INTO imaging_servers (url, name) VALUES (?, ?)";
pub(super) const SERVER: &str = "SELECT name FROM imaging_servers WHERE name = ?";
pub(super) const POOL: &str = "SELECT s.name, s.url, b.instance, b.started, b.version, b.schema_version, b.protocol, b.host, \
    b.process, b.life, b.limit_ms, b.last_seen, b.beats, b.gone FROM imaging_servers s LEFT JOIN server_heartbeats b ON b.server = s.name ORDER BY s.name";
pub(super) const DEVICES_PER_SERVER: &str =
    "SELECT imaging_server, COUNT(*) FROM devices GROUP BY imaging_server ORDER BY imaging_server";
pub(super) const BEAT_FORGET: &str = "DELETE FROM server_heartbeats WHERE server = ?";
pub(super) const BEAT_JOIN: &str = "INSERT INTO server_heartbeats (server, instance, started, last_seen, beats, version, \
    schema_version, protocol, host, process, life, limit_ms, gone) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)";
/// MariaDB's alone.
pub(super) const DATABASE_VERSION: &str = "SELECT VERSION()";
/// One row, in every kind of database.
pub(super) const SCHEMA_VERSION: &str = "SELECT version FROM schema_version";
pub(super) const BEAT: &str =
    "UPDATE server_heartbeats SET last_seen = ?, beats = beats + 1 WHERE server = ? AND instance = ?";
pub(super) const BEAT_BACK: &str =
    "UPDATE server_heartbeats SET gone = 0 WHERE server = ? AND instance = ? AND gone = 1";
pub(super) const BEAT_GONE: &str =
    "UPDATE server_heartbeats SET gone = 1 WHERE server = ? AND beats = ? AND gone = 0";
pub(super) const BEAT_LEAVE: &str =
    "UPDATE server_heartbeats SET gone = 1 WHERE server = ? AND instance = ? AND gone = 0";
/// Requests of servers that are gone, whose time is over.
pub(super) const REQUESTS_OVERDUE: &str = "SELECT r.id FROM server_heartbeats b JOIN requests r ON r.imaging_server = b.server \
    WHERE b.gone = 1 AND r.state <> 'closed' AND r.expires <= ? ORDER BY r.id LIMIT ?";
pub(super) const RELAY_BOARDS: &str = "SELECT name, fqdn, imaging_server FROM relay_boards ORDER BY name";
pub(super) const RELAY_BOARD: &str = "SELECT name, fqdn, imaging_server FROM relay_boards WHERE name = ?";
pub(super) const RELAY_BOARD_INSERT: &str =
    "INSERT INTO relay_boards (fqdn, imaging_server, name) VALUES (?, ?, ?)";
pub(super) const RELAY_BOARD_UPDATE: &str =
    "UPDATE relay_boards SET fqdn = ?, imaging_server = ? WHERE name = ?";

// Leases.
pub(super) const LEASE: &str = "SELECT holder, ends_at FROM leases WHERE name = ?";
/// By who has it, or by anybody when it has ended.
pub(super) const LEASE_TAKE: &str =
    "UPDATE leases SET holder = ?, ends_at = ? WHERE name = ? AND (holder = ? OR ends_at <= ?)";
pub(super) const LEASE_INSERT: &str = "INSERT INTO leases (holder, ends_at, name) VALUES (?, ?, ?)";
pub(super) const LEASE_END: &str = "UPDATE leases SET ends_at = 0 WHERE name = ? AND holder = ?";

// Tokens and sessions.
pub(super) const TOKENS: &str = "SELECT name, hash IS NULL, role, environments, made_at, expires_at, used_at FROM tokens \
    ORDER BY name LIMIT ?";
pub(super) const TOKEN_OF_HASH: &str = "SELECT name, hash IS NULL, role, environments, made_at, expires_at, used_at FROM tokens \
    WHERE hash = ?";
pub(super) const TOKEN_OF_NAME: &str = "SELECT name, hash IS NULL, role, environments, made_at, expires_at, used_at FROM tokens \
    WHERE name = ?";
pub(super) const TOKEN_INSERT: &str =
    "INSERT INTO tokens (name, hash, role, environments, made_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)";
pub(super) const TOKEN_DELETE: &str = "DELETE FROM tokens WHERE name = ?";
pub(super) const TOKEN_USED: &str =
    "UPDATE tokens SET used_at = ? WHERE name = ? AND (used_at IS NULL OR used_at < ?)";
pub(super) const SESSION: &str = "SELECT t.name, t.hash IS NULL, t.role, t.environments, t.made_at, t.expires_at, t.used_at, s.ends_at \
    FROM sessions s JOIN tokens t ON t.name = s.token WHERE s.hash = ?";
/// Of a token that is still there and still has this secret: a session must not outlive the one, nor go over to the next of its name.
pub(super) const SESSION_INSERT: &str = "INSERT INTO sessions (hash, token, made_at, ends_at) \
    SELECT ?, name, ?, ? FROM tokens WHERE name = ? AND hash = ?";
pub(super) const SESSION_DELETE: &str = "DELETE FROM sessions WHERE hash = ?";
pub(super) const SESSIONS_OF_TOKEN: &str = "SELECT hash FROM sessions WHERE token = ?";
/// Those whose place newer ones of their token need.
pub(super) const SESSIONS_BEYOND_OF_TOKEN: &str =
    "SELECT hash FROM sessions WHERE token = ? ORDER BY made_at DESC, hash LIMIT ? OFFSET ?";
/// Those whose place others need.
pub(super) const SESSIONS_BEYOND: &str =
    "SELECT hash FROM sessions ORDER BY made_at DESC, hash LIMIT ? OFFSET ?";
pub(super) const SESSIONS_ENDED: &str = "SELECT hash FROM sessions WHERE ends_at <= ? LIMIT ?";

// The audit log.
pub(super) const AUDIT_INSERT: &str = "INSERT INTO audit_log (at, who, role, via, address, method, path, status, device, request_id) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// Newest first, below a number; who and a part of the method, path or device may be asked for.
pub(super) const AUDIT: &str = "SELECT id, at, who, role, via, address, method, path, status, device, request_id FROM audit_log \
    WHERE id < ? AND at >= ? AND (? = '' OR who = ?) \
    AND (? = '' OR instr(path, ?) > 0 OR instr(COALESCE(device, ''), ?) > 0) ORDER BY id DESC LIMIT ?";
pub(super) const AUDIT_OLD: &str = "SELECT id FROM audit_log WHERE at < ? ORDER BY at LIMIT ?";
pub(super) const AUDIT_DELETE: &str = "DELETE FROM audit_log WHERE id = ?";

// Deletions, and what stands in their way: names of a few, in order, and no more than are shown.
pub(super) const DEVICE_DELETE: &str = "DELETE FROM devices WHERE name = ?";
pub(super) const DEVICE_LOGS_OLDEST: &str =
    "SELECT id FROM device_logs WHERE device_id = ? ORDER BY id LIMIT ?";
pub(super) const CHUNKS_OF_OLDEST: &str =
    "SELECT id FROM device_log_chunks WHERE device_id = ? ORDER BY id LIMIT ?";
pub(super) const DEVICE_LOG_DELETE: &str = "DELETE FROM device_logs WHERE id = ?";
pub(super) const HARDWARE_TYPE_DELETE: &str = "DELETE FROM hardware_types WHERE id = ?";
pub(super) const IMAGE_DELETE: &str = "DELETE FROM images WHERE name = ?";
pub(super) const PXE_CONFIG_DELETE: &str = "DELETE FROM pxe_configs WHERE name = ?";
pub(super) const RELAY_BOARD_DELETE: &str = "DELETE FROM relay_boards WHERE name = ?";
pub(super) const DEVICES_OF_HARDWARE: &str =
    "SELECT name FROM devices WHERE hardware_id = ? ORDER BY name LIMIT ?";
pub(super) const DEVICES_WITH_IMAGE: &str =
    "SELECT name FROM devices WHERE installed_image = ? OR next_image = ? ORDER BY name LIMIT ?";
pub(super) const DEVICES_OFFERED: &str =
    "SELECT name FROM devices WHERE boot_pxe_config = ? ORDER BY name LIMIT ?";
pub(super) const REQUESTS_FOR_IMAGE: &str =
    "SELECT id FROM requests WHERE image = ? AND state <> 'closed' ORDER BY id LIMIT ?";
pub(super) const REQUESTS_CLOSED_OF_IMAGE: &str =
    "SELECT id FROM requests WHERE image = ? AND state = 'closed' ORDER BY id LIMIT ?";
// Attempts. The device's last one is under way until it has an end; its states lie in the device's row until then. A machine
// that goes to and fro in one attempt is told of so long: some hundred states.
pub(super) const DEVICE_TRAIL: &str = "UPDATE devices SET trail = CASE WHEN LENGTH(trail) < 4000 THEN CONCAT(trail, ?) ELSE trail END WHERE name = ?";
macro_rules! end_attempt {
    ($($set:literal)*) => {
        concat!(
            "UPDATE attempts SET trail = (SELECT trail FROM devices WHERE name = ?), ended_at = ?, state = ?, ", $($set,)*
            " WHERE id = (SELECT attempt_id FROM devices WHERE name = ?) AND ended_at IS NULL"
        )
    };
}
pub(super) const ATTEMPT_END: &str = end_attempt!("outcome = ?");
/// Another one begins. What was offered by hand has no end of its own.
pub(super) const ATTEMPT_OVERTAKE: &str =
    end_attempt!("outcome = CASE WHEN purpose = 'pxe' THEN 'ok' ELSE 'failed' END");
pub(super) const ATTEMPT_BEGIN: &str = "INSERT INTO attempts (device_id, hardware_id, purpose, image, request_id, \
    started_at, outcome, state, trail) SELECT id, COALESCE(hardware_id, 0), ?, ?, ?, ?, ?, ?, '' FROM devices WHERE name = ?";
pub(super) const DEVICE_SET_ATTEMPT: &str = "UPDATE devices SET attempt_id = ?, trail = ? WHERE name = ?";
macro_rules! select_attempts {
    ($($rest:literal)*) => {
        concat!(
            "SELECT a.id, a.device_id, a.hardware_id, a.purpose, a.image, a.request_id, a.started_at, a.ended_at, a.outcome, ",
            "CASE WHEN a.ended_at IS NULL THEN d.state ELSE a.state END, ",
            "CASE WHEN a.ended_at IS NULL THEN d.trail ELSE a.trail END ", $($rest),*
        )
    };
}
pub(super) const ATTEMPT_STEP_APPEND: &str = "INSERT INTO attempt_steps (device_id, at, kind, name, what, bytes, took_ms, bad) \
    SELECT id, ?, ?, ?, ?, ?, ?, ? FROM devices WHERE name = ?";
pub(super) const ATTEMPTS_OF_DEVICE: &str = select_attempts!(
    "FROM attempts a JOIN devices d ON d.id = a.device_id WHERE d.name = ? AND a.id < ? ORDER BY a.id DESC LIMIT ?"
);
/// … of the last ones of a kind, so that one which never goes well is not looked for in all of its history.
pub(super) const ATTEMPTS_OF_KIND: &str = select_attempts!(
    "FROM (SELECT * FROM attempts WHERE hardware_id = ? AND purpose = ? AND image = ? ORDER BY id DESC LIMIT ?) a "
    "JOIN devices d ON d.id = a.device_id WHERE a.outcome = ? ORDER BY a.id DESC LIMIT ?"
);
pub(super) const ATTEMPT_STEPS: &str = "SELECT id, at, kind, name, what, bytes, took_ms, bad FROM attempt_steps \
    WHERE device_id = ? AND at >= ? AND at <= ? ORDER BY at, id LIMIT ?";
pub(super) const ATTEMPTS_OLDEST: &str = "SELECT id FROM attempts WHERE device_id = ? ORDER BY id LIMIT ?";
pub(super) const ATTEMPT_DELETE: &str = "DELETE FROM attempts WHERE id = ?";
pub(super) const ATTEMPT_STEPS_OLDEST: &str =
    "SELECT id FROM attempt_steps WHERE device_id = ? ORDER BY at LIMIT ?";
pub(super) const ATTEMPT_STEP_DELETE: &str = "DELETE FROM attempt_steps WHERE id = ?";
pub(super) const CHUNK_AT: &str =
    "SELECT id FROM device_log_chunks WHERE last_at >= ? ORDER BY last_at LIMIT 1";
pub(super) const CHUNKS_SPANS: &str = "SELECT id, first_at, line_count FROM device_log_chunks \
    WHERE device_id = ? AND id >= ? AND id <= ? AND last_at >= ? ORDER BY id LIMIT ?";
pub(super) const CHUNK: &str = "SELECT id, first_at, text FROM device_log_chunks WHERE id = ?";

// Changes, and what others can see of a device or a request.
pub(super) const CHANGES: &str =
    "SELECT seq, at, kind, subject, what, data FROM changes WHERE seq > ? ORDER BY seq LIMIT ?";
pub(super) const CHANGES_OLDEST: &str = "SELECT seq FROM changes ORDER BY seq LIMIT 1";
pub(super) const CHANGES_BEGINNING: &str = "SELECT seq, at FROM changes ORDER BY seq LIMIT ?";
pub(super) const CHANGES_DROP: &str = "DELETE FROM changes WHERE seq <= ?";
pub(super) const CHANGE_INSERT: &str =
    "INSERT INTO changes (seq, at, kind, subject, what, data) VALUES (?, ?, ?, ?, ?, ?)";
pub(super) const CHANGES_COUNT: &str = "UPDATE change_counts SET last = last + ? WHERE kind = ?";
pub(super) const CHANGES_SET_LAST: &str = "UPDATE change_counts SET last = ? WHERE kind = ?";
pub(super) const CHANGES_LAST_OF: &str = "SELECT last FROM change_counts WHERE kind = ?";
pub(super) const CHANGES_LAST: &str = "SELECT kind, last FROM change_counts";
pub(super) const DEVICE_SEEN: &str = "SELECT d.state, d.environment, c.request_id, d.installed_image, d.next_image, \
    d.progress, d.state_since, d.installed_config, d.next_config, d.boot_pxe_config, d.boot_config \
    FROM devices d LEFT JOIN claims c ON c.device_id = d.id WHERE d.name = ?";
pub(super) const REQUEST_SEEN: &str = "SELECT r.state, r.expires, r.assignee, d.name FROM requests r \
    LEFT JOIN claims c ON c.request_id = r.id LEFT JOIN devices d ON d.id = c.device_id WHERE r.id = ?";

// Reports: how devices were, and what became of requests.
pub(super) const SPELL_NOW: &str = "SELECT d.name, d.state, d.state_since, c.request_id, d.imaging_server, d.environment, h.type, \
    h.model, d.installed_image, d.next_image, s.id, s.grp, s.since, u.server, u.environment, u.hardware, u.image \
    FROM devices d LEFT JOIN hardware_types h ON h.id = d.hardware_id LEFT JOIN claims c ON c.device_id = d.id \
    LEFT JOIN device_spells s ON s.id = d.spell_id LEFT JOIN spell_subjects u ON u.id = s.subject_id WHERE d.name = ?";
pub(super) const SPELL_SUBJECT: &str = "SELECT id FROM spell_subjects WHERE device = ? AND server = ? AND environment = ? \
    AND hardware = ? AND image = ?";
pub(super) const SPELL_SUBJECT_INSERT: &str =
    "INSERT INTO spell_subjects (device, server, environment, hardware, image) VALUES (?, ?, ?, ?, ?)";
pub(super) const SPELL_SUBJECTS: &str =
    "SELECT id, device, server, environment, hardware, image FROM spell_subjects";
pub(super) const SPELL_SUBJECT_DELETE_UNUSED: &str = "DELETE FROM spell_subjects WHERE id = ? \
    AND NOT EXISTS (SELECT 1 FROM device_spells s WHERE s.subject_id = ?)";
pub(super) const SPELL_INSERT: &str = "INSERT INTO device_spells (subject_id, grp, state, request_id, since, until, cause, \
    detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
pub(super) const SPELL_END: &str = "UPDATE device_spells SET until = ? WHERE id = ?";
pub(super) const SPELL_SET_SUBJECT: &str = "UPDATE device_spells SET subject_id = ? WHERE id = ?";
pub(super) const DEVICE_SET_SPELL: &str = "UPDATE devices SET spell_id = ? WHERE name = ?";
/// What reaches into a window; an index holds all of it.
pub(super) const SPELLS: &str =
    "SELECT until, since, subject_id, grp FROM device_spells WHERE until > ? AND since < ?";
pub(super) const SPELLS_FAILED: &str = "SELECT since, subject_id, cause, state FROM device_spells \
    WHERE grp = 'failed' AND since >= ? AND since < ?";
pub(super) const SPELLS_OF_DEVICE: &str = "SELECT s.id, s.grp, s.state, s.request_id, s.since, s.until, u.image, s.cause, \
    s.detail FROM spell_subjects u JOIN device_spells s ON s.subject_id = u.id WHERE u.device = ? \
    ORDER BY s.since DESC, s.id DESC LIMIT ?";
/// Devices that have failed and stand so.
pub(super) const SPELLS_STANDING: &str = "SELECT d.name, s.since, s.state, s.cause, s.detail FROM devices d \
    JOIN device_spells s ON s.id = d.spell_id WHERE s.grp = 'failed'";
/// What a device fetched last, of however long ago.
pub(super) const STEP_LAST_FETCHED: &str = "SELECT s.at, s.name FROM devices d JOIN attempt_steps s ON s.device_id = d.id \
    WHERE d.name = ? AND s.kind = ? ORDER BY s.at DESC LIMIT 1";
pub(super) const SPELLS_OLD: &str =
    "SELECT id, subject_id FROM device_spells WHERE until < ? ORDER BY until LIMIT ?";
pub(super) const SPELL_DELETE: &str = "DELETE FROM device_spells WHERE id = ?";
pub(super) const OUTCOME_OF: &str = "SELECT r.imaging_server, r.assignee, r.image, r.created, d.name, d.environment, h.type, \
    h.model FROM requests r LEFT JOIN claims c ON c.request_id = r.id LEFT JOIN devices d ON d.id = c.device_id \
    LEFT JOIN hardware_types h ON h.id = d.hardware_id WHERE r.id = ?";
pub(super) const OUTCOME_INSERT: &str = "INSERT INTO request_outcomes (request_id, server, assignee, image, environment, \
    hardware, device, asked, ready, ended, how) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
pub(super) const OUTCOME_END: &str =
    "UPDATE request_outcomes SET ended = ?, how = ? WHERE request_id = ? AND ended = ?";
pub(super) const OUTCOMES: &str = "SELECT server, assignee, image, environment, hardware, device, asked, ready, ended, how \
    FROM request_outcomes WHERE ended >= ? AND asked < ?";
pub(super) const OUTCOMES_OLD: &str =
    "SELECT request_id FROM request_outcomes WHERE ended < ? ORDER BY ended LIMIT ?";
pub(super) const OUTCOME_DELETE: &str = "DELETE FROM request_outcomes WHERE request_id = ?";
