//! Whether a sender knows the secret. Compared in constant time, and a proof that is missing costs the same work as one
//! that is wrong.

use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::webhook::{Proof, Webhook};
use crate::secret::Secret;

const HUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const OWN_SIGNATURE: HeaderName = HeaderName::from_static("x-repin-signature");
const GITLAB_TOKEN: HeaderName = HeaderName::from_static("x-gitlab-token");
/// Most values that one request may offer.
const MOST_OFFERS: usize = 8;
/// What secrets are hashed with before they are compared, so that their length does not show.
const LABEL: &[u8] = b"repin: is this the secret of the webhook?";

/// Tells whether the proof is in the body too, which then must be read first.
pub(super) fn needs_body(webhook: &Webhook) -> bool {
    matches!(webhook.kind.proof(), Proof::Signature { .. })
}

/// Tells whether the request proves that its sender knows the secret.
pub(super) fn is_proven(webhook: &Webhook, headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> bool {
    match webhook.kind.proof() {
        Proof::Signature { own } => {
            let names = if own { &[OWN_SIGNATURE, HUB_SIGNATURE][..] } else { &[HUB_SIGNATURE] };
            let offers = names.iter().flat_map(|name| headers.get_all(name)).map(|value| signature(value.as_bytes()));
            any(offers, [0; 32], |offer| is_signed(&webhook.secret, body, &offer))
        }
        Proof::Authorization => any_secret(&webhook.secret, authorization(headers)),
        Proof::GitlabToken => {
            let tokens = headers.get_all(GITLAB_TOKEN).iter().map(|value| value.as_bytes().to_vec());
            any_secret(&webhook.secret, tokens.chain(authorization(headers)))
        }
        Proof::Url => {
            let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            let named = pairs.filter(|(key, _)| matches!(key.as_ref(), "token" | "secret"));
            let offers = named.map(|(_, value)| value.into_owned().into_bytes());
            any_secret(&webhook.secret, offers.chain(headers.get_all(header::AUTHORIZATION).iter().filter_map(basic)))
        }
    }
}

/// Looks at all of them, and at the stand-in if there is none.
fn any<T>(offers: impl Iterator<Item = T>, stand_in: T, mut is_good: impl FnMut(T) -> bool) -> bool {
    let (mut found, mut looked) = (false, false);
    for offer in offers.take(MOST_OFFERS) {
        found |= is_good(offer);
        looked = true;
    }
    if !looked {
        is_good(stand_in);
    }
    found
}

fn any_secret(secret: &Secret, offers: impl Iterator<Item = Vec<u8>>) -> bool {
    any(offers, Vec::new(), |offer| is_same(secret, &offer))
}

/// What `Authorization` may mean: the value as it is, a bearer token, a password.
fn authorization(headers: &HeaderMap) -> impl Iterator<Item = Vec<u8>> {
    headers.get_all(header::AUTHORIZATION).iter().flat_map(|value| {
        let whole = value.as_bytes().to_vec();
        let bearer = after_scheme(value.as_bytes(), b"bearer ").map(<[u8]>::to_vec);
        [Some(whole), bearer, basic(value)].into_iter().flatten()
    })
}

fn basic(value: &axum::http::HeaderValue) -> Option<Vec<u8>> {
    let decoded = STANDARD.decode(after_scheme(value.as_bytes(), b"basic ")?).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

/// Schemes have no case (RFC 9110, section 11.1).
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then(|| rest.trim_ascii())
}

/// `sha256=<hex>`; anything else is the signature of nothing.
fn signature(value: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    match value.strip_prefix(b"sha256=").map(|digits| hex::decode_to_slice(digits, &mut bytes)) {
        Some(Ok(())) => bytes,
        _ => [0; 32],
    }
}

fn is_signed(secret: &Secret, body: &[u8], signature: &[u8; 32]) -> bool {
    mac(secret.expose().as_bytes(), body).is_some_and(|mac| mac.verify_slice(signature).is_ok())
}

fn is_same(secret: &Secret, offer: &[u8]) -> bool {
    let wanted = mac(LABEL, secret.expose().as_bytes()).map(|mac| mac.finalize().into_bytes());
    wanted.zip(mac(LABEL, offer)).is_some_and(|(wanted, mac)| mac.verify_slice(&wanted).is_ok())
}

fn mac(key: &[u8], text: &[u8]) -> Option<Hmac<Sha256>> {
    Some(Hmac::<Sha256>::new_from_slice(key).ok()?.chain_update(text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::webhook::WebhookKind;

    const SECRET: &str = "canary-s3cret with+ä";

    fn proves(kind: WebhookKind, query: &str, headers: &[(&str, &str)], body: &str) -> bool {
        let webhook =
            Webhook { name: "hub".into(), kind, secret: Secret::new(SECRET), registry: None, requests_per_second: 1.0 };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            map.append(name.parse::<HeaderName>().unwrap(), value);
        }
        is_proven(&webhook, &map, Some(query), body.as_bytes())
    }

    fn signed(body: &str) -> String {
        let mac = mac(SECRET.as_bytes(), body.as_bytes()).unwrap();
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }

    /// RFC 4231, test case 2.
    #[test]
    fn a_signature_is_the_hmac_of_the_standard() {
        let known = b"sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(is_signed(&Secret::new("Jefe"), b"what do ya want for nothing?", &signature(known)));
    }

    #[test]
    fn a_signature_holds_for_this_body_and_in_this_header_only() {
        let body = r#"{"image":"acme/web:1.0.0"}"#;
        let good = signed(body);
        let upper = format!("sha256={}", good["sha256=".len()..].to_uppercase());
        for kind in [WebhookKind::Ghcr, WebhookKind::Generic] {
            let own = kind == WebhookKind::Generic;
            for (headers, expected) in [
                (vec![("x-hub-signature-256", good.as_str())], true),
                (vec![("x-hub-signature-256", upper.as_str())], true),
                (vec![("x-repin-signature", good.as_str())], own),
                (vec![("x-hub-signature-256", "sha256="), ("x-hub-signature-256", good.as_str())], true),
                (vec![("x-hub-signature-256", &good["sha256=".len()..])], false),
                (vec![("x-hub-signature-256", &good[..good.len() - 2])], false),
                (vec![("x-hub-signature", good.as_str())], false),
                (vec![("x-gitlab-token", SECRET)], false),
                (vec![("authorization", SECRET)], false),
                (vec![], false),
            ] {
                assert_eq!(proves(kind, "", &headers, body), expected, "{kind:?} {headers:?}");
            }
            assert!(!proves(kind, "", &[("x-hub-signature-256", &good)], &body.replace("1.0.0", "1.0.1")));
            assert!(!proves(kind, "token=canary-s3cret+with%2B%C3%A4", &[], body));
        }
    }

    #[test]
    fn a_secret_is_taken_where_its_sender_can_put_it_and_nowhere_else() {
        use WebhookKind::{Distribution, DockerHub, Gitlab, Harbor, Quay};
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let password = basic(&format!("any:{SECRET}"));
        let bearer = format!("bearer {SECRET}");
        let query = "a=b&token=canary-s3cret+with%2B%C3%A4";
        let other = query.replace("token", "secret");
        for (query, headers, in_url, in_header, in_token) in [
            (query, vec![], true, false, false),
            (&other, vec![], true, false, false),
            ("token=wrong&token=canary-s3cret%20with%2b%c3%a4", vec![], true, false, false),
            ("token=canary-s3cret+with%2B%C3%A4x", vec![], false, false, false),
            ("token=", vec![], false, false, false),
            ("", vec![("authorization", password.as_str())], true, true, true),
            ("", vec![("authorization", &basic(SECRET))], false, false, false),
            ("", vec![("authorization", SECRET)], false, true, true),
            ("", vec![("authorization", bearer.as_str())], false, true, true),
            ("", vec![("authorization", "Bearer"), ("authorization", SECRET)], false, true, true),
            ("", vec![("x-gitlab-token", SECRET)], false, false, true),
            ("", vec![("x-gitlab-token", "canary")], false, false, false),
            ("", vec![("authorization", "Basic !")], false, false, false),
            ("", vec![("authorization", "")], false, false, false),
            ("", vec![], false, false, false),
        ] {
            for (kind, expected) in [
                (DockerHub, in_url),
                (Quay, in_url),
                (Harbor, in_header),
                (Distribution, in_header),
                (Gitlab, in_token),
            ] {
                assert_eq!(proves(kind, query, &headers, "{}"), expected, "{kind:?} {query} {headers:?}");
            }
        }
    }

    #[test]
    fn one_request_offers_a_few_secrets_and_not_a_dictionary() {
        let many: String = (0..MOST_OFFERS).map(|n| format!("token={n}&")).collect();
        assert!(!proves(WebhookKind::Quay, &format!("{many}token=canary-s3cret+with%2B%C3%A4"), &[], ""));
    }
}
