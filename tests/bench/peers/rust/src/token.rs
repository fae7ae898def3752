//! Verifying tokens: RS256 and ES256, issuer and audience.

use crate::policy::Policy;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use p256::ecdsa::signature::Verifier;
use p256::EncodedPoint;
use rsa::{BigUint, Pkcs1v15Sign, PublicKey, RsaPublicKey};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub enum Key {
    Rs256(RsaPublicKey),
    Es256(p256::ecdsa::VerifyingKey),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What is kept of a token.
#[derive(Deserialize)]
pub struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    nbf: Option<u64>,
    pub sub: Option<String>,
    pub tenant: Option<String>,
}

impl Claims {
    pub fn check_time(&self, now_seconds: u64) -> Result<(), &'static str> {
        if now_seconds >= self.exp {
            return Err("token_expired");
        }
        match self.nbf {
            Some(nbf) if now_seconds < nbf => Err("token_not_yet_valid"),
            _ => Ok(()),
        }
    }
}

/// The claims of a token with a good signature, of our issuer, for us.
pub fn verify(token: &str, policy: &Policy) -> Result<Claims, &'static str> {
    let malformed = "token_malformed";
    let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed)?;
    let key = policy.keys.get(&header.kid).ok_or("token_key_unknown")?;
    key.verify(&header.alg, signed.as_bytes(), &decode(signature)?)?;
    let claims: Claims = serde_json::from_slice(&decode(payload)?).map_err(|_| malformed)?;
    if claims.iss != policy.issuer {
        return Err("token_issuer");
    }
    let is_ours = match &claims.aud {
        Audience::One(audience) => *audience == policy.audience,
        Audience::Many(audiences) => audiences.contains(&policy.audience),
    };
    is_ours.then(|| claims).ok_or("token_audience")
}

impl Key {
    /// A key of a JWK Set, by its ID.
    pub fn from_jwk(jwk: &Value) -> Result<(String, Self), String> {
        let member = |name: &str| {
            jwk[name]
                .as_str()
                .ok_or_else(|| format!("a key without {name}"))
        };
        let number = |name: &str| {
            URL_SAFE_NO_PAD
                .decode(member(name)?)
                .map_err(|error| error.to_string())
        };
        let key = match member("kty")? {
            "RSA" => {
                let n = BigUint::from_bytes_be(&number("n")?);
                let e = BigUint::from_bytes_be(&number("e")?);
                Key::Rs256(RsaPublicKey::new(n, e).map_err(|error| error.to_string())?)
            }
            "EC" => {
                let (x, y) = (number("x")?, number("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return Err("a key of another curve".to_owned());
                }
                let point =
                    EncodedPoint::from_affine_coordinates(x[..].into(), y[..].into(), false);
                let key = p256::ecdsa::VerifyingKey::from_encoded_point(&point);
                Key::Es256(key.map_err(|error| error.to_string())?)
            }
            other => return Err(format!("a key of type {other}")),
        };
        Ok((member("kid")?.to_owned(), key))
    }

    fn verify(&self, algorithm: &str, text: &[u8], signature: &[u8]) -> Result<(), &'static str> {
        let bad = "token_signature";
        match (self, algorithm) {
            (Key::Rs256(key), "RS256") => {
                let digest = Sha256::digest(text);
                key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature)
                    .map_err(|_| bad)
            }
            (Key::Es256(key), "ES256") => {
                let signature = p256::ecdsa::Signature::try_from(signature).map_err(|_| bad)?;
                key.verify(text, &signature).map_err(|_| bad)
            }
            _ => Err("token_algorithm"),
        }
    }
}
