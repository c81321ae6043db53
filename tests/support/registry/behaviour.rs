//! What a repository of the fake registry may do wrong.

use std::time::Duration;

/// How one repository differs from a well-behaved one. Several may be set; of one kind the last counts.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// At most so many tags per page, whatever `n` asks for.
    PageSize(usize),
    /// How the next page is linked.
    Link(Link),
    /// All tags at once and no `Link`, whatever `n` says.
    IgnoreN,
    /// Newest name first, and the first tag twice.
    Unsorted,
    /// `"tags": null`.
    NullTags,
    /// More entries in the list, legal or not.
    RawTags(Vec<String>),
    /// 401 with a Basic challenge unless these are sent.
    Basic(String, String),
    /// 401 with a Bearer challenge; the realm's own, or this text. Anybody gets a token for the right scope.
    Bearer(Option<String>),
    /// The token endpoint wants this user and password by Basic; others are told so in words.
    TokenLogin(String, String),
    /// The token endpoint wants this refresh token by OAuth 2.
    TokenRefresh(String),
    /// How long tokens live, in seconds, and then are refused.
    TokenLife(u64),
    /// More than so many tags at once are refused with 400 and this error code.
    MostTags(usize, &'static str),
    /// Pages by `n` and `last`, and links none.
    Unlinked,
    /// The first so many requests are answered with 429 and this `Retry-After`.
    Throttled(usize, &'static str),
    /// The first so many requests are answered with 503 and nothing else.
    Busy(usize),
    /// What the token endpoint answers instead.
    TokenAnswer(u16, String),
    /// This status with an error body of the specification, for every request.
    Status(u16, &'static str),
    /// 429 with this `Retry-After`.
    RateLimited(&'static str),
    /// 200 with a web page.
    Html,
    /// A list that never ends.
    Endless,
    /// A list that stops in the middle of the JSON, with a right `Content-Length`.
    Truncated,
    /// A list whose connection is closed before its announced end.
    Cut,
    /// A list that stops and keeps the connection open.
    Stalled,
    /// This as the answer to the list.
    List(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// This as the answer to every manifest.
    Manifest(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The manifest of this listed tag answers 404.
    ManifestMissing(String),
    /// The manifest of this listed tag answers with this status.
    ManifestFails(String, u16),
    /// 307 for blobs, to this text followed by the digest.
    BlobsRedirect(String),
    /// Blobs answer with this status.
    BlobsFail(u16),
    /// The manifest or blob with this digest answers 404.
    PartMissing(String),
    /// The manifest or blob with this digest has other bytes.
    PartChanged(String, String),
    /// There is no list of referrers, as before version 1.1 of the specification.
    NoReferrers,
    /// This as the answer to the list of referrers.
    Referrers(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// This tag names this digest as soon as somebody asked what it names.
    MovesOnceSeen(String, String),
    /// This tag is not listed; its manifest answers.
    Hidden(String),
    /// HEAD is answered 405.
    NoHead,
    /// No `Docker-Content-Digest`.
    NoDigestHeader,
    /// Manifests have an `ETag` that is not their digest.
    ETag,
    /// 307 to this text followed by the path and query that was asked, but for paths below `/moved`.
    Redirect(String),
    /// Waits before it answers.
    Delay(Duration),
}

/// How the next page is linked.
#[derive(Clone, Debug)]
pub enum Link {
    Relative,
    Absolute,
    /// With other links and quoted commas around it.
    Decorated,
    /// To the page itself.
    Loop,
    /// To ever new URLs with the same tags.
    Endless,
    /// To this URL.
    To(String),
}
