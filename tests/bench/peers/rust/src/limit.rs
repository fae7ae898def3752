//! A token bucket for each caller, one for all workers of an Envoy.

use crate::policy::Limit;
use proxy_wasm::traits::Context;
use proxy_wasm::types::Status;

/// Tries before a request is given up: others were faster each time.
const TRIES_MAX: u32 = 16;

/// Takes a request out of the caller's bucket. A bucket is its content and the time of it in milliseconds, 16 bytes.
/// @returns whether there was one
pub fn take(host: &dyn Context, limit: &Limit, caller: &str, now_ms: u64) -> Result<bool, Status> {
    let key = ["peer.", &limit.name, ".", caller].concat();
    for _ in 0..TRIES_MAX {
        let (value, cas) = host.get_shared_data(&key);
        let content = match value.as_deref().map(read) {
            Some(Some((content, at_ms))) => {
                let gained = now_ms.saturating_sub(at_ms) as f64 / 1000.0 * limit.per_second;
                (content + gained).min(limit.burst)
            }
            Some(None) => return Err(Status::InternalFailure),
            None => limit.burst,
        };
        if content < 1.0 {
            return Ok(false);
        }
        let mut bucket = [0; 16];
        bucket[..8].copy_from_slice(&(content - 1.0).to_le_bytes());
        bucket[8..].copy_from_slice(&now_ms.to_le_bytes());
        match host.set_shared_data(&key, Some(&bucket), cas) {
            Err(Status::CasMismatch) => continue,
            outcome => return outcome.map(|()| true),
        }
    }
    Err(Status::CasMismatch)
}

fn read(bytes: &[u8]) -> Option<(f64, u64)> {
    let content = bytes.get(..8)?.try_into().ok()?;
    let at_ms = bytes.get(8..16)?.try_into().ok()?;
    Some((f64::from_le_bytes(content), u64::from_le_bytes(at_ms)))
}
