//! How a board speaks HTTP: one connection a call, short limits, statuses as values.
//!
//! It knows nothing of retries or power; `board` does.

use super::outward::Outward;
use std::io::Read;
use std::net::Ipv4Addr;
use std::time::Duration;
use ureq::Agent;
use ureq::unversioned::resolver::DefaultResolver;

/// A call takes milliseconds; a server that needs longer than this is being restarted.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// A whole image, from a busy server to hundreds of boards.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(60);
/// Texts are scripts and boot configs.
const TEXT_MAX: u64 = 1 << 20;

/// Makes calls.
#[derive(Debug, Clone)]
pub(super) struct Web(Agent);

/// A text and its status.
pub(super) type Reply = Result<(u16, String), ureq::Error>;

impl Web {
    /// Calls from this address.
    pub(super) fn from(address: Ipv4Addr) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(CALL_LIMIT))
            // Like the boards' wget, which closes after each call.
            .max_idle_connections(0)
            .max_redirects(3)
            .user_agent("emulated-board")
            .build();
        Self(Agent::with_parts(config, Outward(address), DefaultResolver::default()))
    }

    /// GET of a text.
    pub(super) fn text(&self, url: &str) -> Reply {
        read(self.0.get(url).call()?)
    }

    /// POST of a JSON text, with the boot token that the kernel line has.
    pub(super) fn post(&self, url: &str, boot: Option<&str>, json: &str) -> Reply {
        let call = self.0.post(url).content_type("application/json");
        let call = match boot {
            Some(boot) => call.header("Mozpool-Boot", boot),
            None => call,
        };
        read(call.send(json)?)
    }

    /// GET of something large: its status and its bytes.
    pub(super) fn download(&self, url: &str) -> Result<(u16, impl Read + use<>), ureq::Error> {
        let call = self.0.get(url).config().timeout_global(Some(DOWNLOAD_LIMIT)).build();
        let response = call.call()?;
        Ok((response.status().as_u16(), response.into_body().into_reader()))
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Reply {
    let status = response.status().as_u16();
    Ok((status, response.body_mut().with_config().limit(TEXT_MAX).read_to_string()?))
}
