//! AWS Signature Version 4 in the `Authorization` header (IAM User Guide, "Create a signed AWS API request").

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Keys of AWS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    /// With temporary keys.
    pub(super) session: Option<Secret>,
}

/// What is signed.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// As it is sent.
    pub(super) path: &'a str,
    /// As it is sent, without the `?`.
    pub(super) query: &'a str,
    /// Names and values that are sent and signed, `host` and `x-amz-date` among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// Gives the time as `x-amz-date` has it.
pub(super) fn date(now: Timestamp) -> String {
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Gives the `Authorization` header of a request, whose `x-amz-date` is `date`.
pub(super) fn authorization(request: &Request<'_>, keys: &Keys, date: &str, region: &str, service: &str) -> String {
    let day = date.get(..8).unwrap_or(date);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    headers.sort();
    let signed = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let listed: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let pairs = request.query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(&str, &str)> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{listed}\n{signed}\n{}",
        request.method,
        request.path,
        query.join("&"),
        hex::encode(Sha256::digest(request.body))
    );
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let mut key = format!("AWS4{}", keys.secret.expose()).into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &to_sign));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}", keys.id)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of HMAC may have any length, so there is no error; without a MAC nobody would accept the signature.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "service";

    fn sign(method: &str, query: &str, headers: &[(&str, &str)], body: &str, service: &str) -> String {
        let keys = Keys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: None,
        };
        let request = Request { method, path: "/", query, headers, body: body.as_bytes() };
        authorization(&request, &keys, "20150830T123600Z", "us-east-1", service)
    }

    /// Cases of the "AWS Signature Version 4 Test Suite" and of the documentation of the signing process.
    #[test]
    fn the_published_examples_are_signed_as_published() {
        let host = ("Host", "example.amazonaws.com");
        let date = ("X-Amz-Date", "20150830T123600Z");
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let iam = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
        let session = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let token = ("X-Amz-Security-Token", session);
        for (name, signed, expected) in [
            (
                "get-vanilla",
                sign("GET", "", &[host, date], "", SERVICE),
                "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                sign("GET", "Param2=value2&Param1=value1", &[host, date], "", SERVICE),
                "SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "post-vanilla",
                sign("POST", "", &[host, date], "", SERVICE),
                "SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                sign("POST", "", &[form, host, date], "Param1=value1", SERVICE),
                "SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "post-sts-header-before",
                sign("POST", "", &[host, date, token], "", SERVICE),
                "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
            (
                "get-header-value-trim",
                sign(
                    "GET",
                    "",
                    &[host, ("My-Header1", " value1"), ("My-Header2", " \"a   b   c\""), date],
                    "",
                    SERVICE,
                ),
                "SignedHeaders=host;my-header1;my-header2;x-amz-date, Signature=acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "IAM ListUsers",
                sign(
                    "GET",
                    "Action=ListUsers&Version=2010-05-08",
                    &[iam, ("host", "iam.amazonaws.com"), date],
                    "",
                    "iam",
                ),
                "SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ] {
            assert!(signed.ends_with(expected), "{name}: {signed}");
            assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"), "{signed}");
        }
    }

    #[test]
    fn the_time_is_written_as_aws_reads_it() {
        assert_eq!(date(Timestamp::UNIX_EPOCH), "19700101T000000Z");
    }
}
