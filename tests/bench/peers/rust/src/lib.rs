//! A filter of our own kind: the decision of the bench's other chains, as one writes it with the Rust SDK of proxy-wasm and
//! well-known crates. Who calls is the certificate's SPIFFE ID; a rule is a caller, a method, a path prefix and a claim; tokens are
//! verified by the `rsa` and `p256` crates and cached by their text; each caller has a bucket of its own; a record and
//! three counters are left behind.
//!
//! Choices. The bucket is in shared data, with compare-and-swap, since a limit is one for all of Envoy's workers. The
//! headers that are wanted are read one by one, which is fewer allocations than all of them. Signatures are verified by
//! crates and not by the host, so that the filter runs on any host.

mod limit;
mod policy;
mod token;

use lru::LruCache;
use policy::{Limit, Policy};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType};
use serde::Serialize;
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::UNIX_EPOCH;
use token::Claims;

/// Tokens that are kept with their claims.
const TOKENS_MAX: usize = 1024;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { filter: None }) });
}}

/// What the requests of a configuration share.
struct Shared {
    policy: Policy,
    tokens: RefCell<LruCache<String, Rc<Claims>>>,
    allowed: u32,
    denied: u32,
    hits: u32,
    misses: u32,
}

impl Shared {
    fn new(configuration: &[u8]) -> Result<Self, String> {
        let metric = |name: &str| {
            hostcalls::define_metric(MetricType::Counter, name)
                .map_err(|status| format!("{name}: {status:?}"))
        };
        Ok(Shared {
            policy: Policy::read(configuration, metric)?,
            tokens: RefCell::new(LruCache::new(
                NonZeroUsize::new(TOKENS_MAX).ok_or("no tokens")?,
            )),
            allowed: metric("peer_requests.decision.allow")?,
            denied: metric("peer_requests.decision.deny")?,
            hits: metric("peer_token_cache.result.hit")?,
            misses: metric("peer_token_cache.result.miss")?,
        })
    }

    /// The claims of a token that holds at this time.
    fn claims_of(&self, token: &str, now_seconds: u64) -> Result<Rc<Claims>, &'static str> {
        let mut tokens = self.tokens.borrow_mut();
        let claims = match tokens.get(token) {
            Some(claims) => {
                count(self.hits);
                claims.clone()
            }
            None => {
                count(self.misses);
                let claims = Rc::new(token::verify(token, &self.policy)?);
                tokens.put(token.to_owned(), claims.clone());
                claims
            }
        };
        claims.check_time(now_seconds)?;
        Ok(claims)
    }
}

struct Root {
    filter: Option<Rc<Shared>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match Shared::new(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(shared) => {
                self.filter = Some(Rc::new(shared));
                true
            }
            Err(problem) => {
                let _ = hostcalls::log(proxy_wasm::types::LogLevel::Critical, &problem);
                false
            }
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let shared = self.filter.clone()?;
        Some(Box::new(Filter { shared }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Filter {
    shared: Rc<Shared>,
}

/// How a request is denied.
struct Denial {
    status: u32,
    reason: &'static str,
}

/// What is left behind of a request, as filter state `wasm.peer`.
#[derive(Default, Serialize)]
struct Record<'a> {
    admit: bool,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    caller: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        let caller = text(self.get_property(vec!["connection", "uri_san_peer_certificate"]));
        let method = self.header(":method");
        let host = self.header(":authority");
        let path = self.header(":path");
        let mut record = Record {
            method: &method,
            host: &host,
            path: &path,
            caller: &caller,
            ..Record::default()
        };
        let mut claims = None;
        let outcome = self.decide(&mut record, &mut claims);
        if let Some(claims) = &claims {
            record.issuer = Some(&self.shared.policy.issuer);
            record.sub = claims.sub.as_deref();
        }
        record.admit = outcome.is_ok();
        record.reason = outcome
            .as_ref()
            .err()
            .map_or("allowed", |denial| denial.reason);
        count(if record.admit {
            self.shared.allowed
        } else {
            self.shared.denied
        });
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        self.set_property(vec!["peer"], Some(&bytes));
        match outcome {
            Ok(()) => Action::Continue,
            Err(Denial { status, reason }) => {
                let body = format!("{{\"title\":\"{reason}\",\"status\":{status}}}\n");
                let headers = vec![("content-type", "application/problem+json")];
                self.send_http_response(status, headers, Some(body.as_bytes()));
                Action::Pause
            }
        }
    }
}

impl Filter {
    fn header(&self, name: &str) -> String {
        text(self.get_http_request_header_bytes(name))
    }

    /// The decision: rule, token, claim, limit.
    fn decide<'a>(
        &'a self,
        record: &mut Record<'a>,
        found: &mut Option<Rc<Claims>>,
    ) -> Result<(), Denial> {
        let denied = |status, reason| Denial { status, reason };
        let rule = self
            .shared
            .policy
            .rule_for(record.caller, record.method, record.path)
            .ok_or_else(|| denied(403, "no_rule"))?;
        record.rule = Some(&rule.name);
        let now = self
            .get_current_time()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| denied(503, "internal"))?;
        let authorization = self.header("authorization");
        let token = authorization
            .strip_prefix("Bearer ")
            .ok_or_else(|| denied(401, "token_missing"))?;
        let claims = self
            .shared
            .claims_of(token, now.as_secs())
            .map_err(|reason| denied(401, reason))?;
        let holds = rule
            .claim
            .as_ref()
            .map_or(true, |claim| claims.tenant.as_deref() == Some(claim));
        *found = Some(claims);
        if !holds {
            return Err(denied(403, "condition"));
        }
        count(rule.counter);
        let limit: &Limit = &self.shared.policy.limits[rule.limit];
        match limit::take(self, limit, record.caller, now.as_millis() as u64) {
            Ok(true) => Ok(()),
            Ok(false) => Err(denied(429, "limited")),
            Err(_) => Err(denied(503, "internal")),
        }
    }
}

fn count(metric: u32) {
    let _ = hostcalls::increment_metric(metric, 1);
}

/// Text from the host; what is missing or no text is empty, which no rule names.
fn text(bytes: Option<Vec<u8>>) -> String {
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default()
}
