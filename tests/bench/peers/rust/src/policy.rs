//! The policy, from the filter's configuration.

use crate::token::Key;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    audience: String,
    jwks: KeySet,
    limits: Vec<Limit>,
    rules: Vec<ConfiguredRule>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// So many requests a second, and so many at once, for each caller.
#[derive(Deserialize)]
pub struct Limit {
    pub name: String,
    pub per_second: f64,
    pub burst: f64,
}

#[derive(Deserialize)]
struct ConfiguredRule {
    name: String,
    callers: Vec<String>,
    method: String,
    prefix: String,
    claim: Option<String>,
    limit: usize,
}

/// What a caller may do, and what its token has to say for it.
#[derive(Clone)]
pub struct Rule {
    pub name: String,
    pub method: String,
    pub prefix: String,
    /// The tenant that the token must be of.
    pub claim: Option<String>,
    pub limit: usize,
    pub counter: u32,
}

pub struct Policy {
    pub issuer: String,
    pub audience: String,
    /// By key ID.
    pub keys: HashMap<String, Key>,
    pub limits: Vec<Limit>,
    rules: HashMap<String, Vec<Rule>>,
}

impl Policy {
    pub fn read(
        configuration: &[u8],
        metric: impl Fn(&str) -> Result<u32, String>,
    ) -> Result<Self, String> {
        let Configuration {
            issuer,
            audience,
            jwks,
            limits,
            rules: configured,
        } = serde_json::from_slice(configuration).map_err(|error| error.to_string())?;
        let keys = jwks
            .keys
            .iter()
            .map(Key::from_jwk)
            .collect::<Result<HashMap<_, _>, _>>()?;
        let mut rules: HashMap<String, Vec<Rule>> = HashMap::new();
        for ConfiguredRule {
            name,
            callers,
            method,
            prefix,
            claim,
            limit,
        } in configured
        {
            if limit >= limits.len() {
                return Err(format!("{name}: there is no such limit"));
            }
            let counter = metric(&format!("peer_rules.rule.{name}"))?;
            let rule = Rule {
                name,
                method,
                prefix,
                claim,
                limit,
                counter,
            };
            for caller in callers {
                rules.entry(caller).or_default().push(rule.clone());
            }
        }
        Ok(Policy {
            issuer,
            audience,
            keys,
            limits,
            rules,
        })
    }

    pub fn rule_for(&self, caller: &str, method: &str, path: &str) -> Option<&Rule> {
        self.rules
            .get(caller)?
            .iter()
            .find(|rule| rule.method == method && path.starts_with(&rule.prefix))
    }
}
