//! Why a file is not read or changed, with the place and what to do about it.

use crate::diagnostic::Diagnostic;
use crate::model::key_path::KeyPath;
use crate::yaml::Kind;

/// How many places that share a value are named.
const SHOWN: usize = 8;

/// Why a value was not read or written; the file is as it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EditError {
    /// The file does not parse.
    #[error("line {line} is no YAML: {message}")]
    InvalidYaml {
        /// Line, from 1.
        line: u64,
        /// What the parser met.
        message: String,
        /// Whether the file holds `{{`, as the templates of charts do.
        template: bool,
    },
    /// The file would be JSON if it had no comments.
    #[error("line {line} has a comment with `//` or `/*`, which neither JSON nor YAML knows")]
    JsonComment {
        /// Line, from 1.
        line: u64,
    },
    /// The file is called `.json` and is YAML.
    #[error("line {line} is no JSON, which the name of the file promises: {message}")]
    NotJson {
        /// Line, from 1.
        line: u64,
        /// What a reader of JSON met.
        message: String,
    },
    /// The key is not there and is none that may be added.
    #[error("there is no `{path}`")]
    NoSuchKey {
        /// The key path.
        path: String,
        /// The key path most like it that is there.
        nearest: Option<String>,
    },
    /// A mapping or a sequence stands there.
    #[error("`{path}` (line {line}) is a {found}, not a single value")]
    NotScalar {
        /// The key path.
        path: String,
        /// Line, from 1.
        line: u64,
        /// `mapping` or `sequence`.
        found: &'static str,
    },
    /// What the path names is there more than once, and readers differ on which one counts.
    #[error("`{path}` is not one place: {what} is {}", twice(*first, *second))]
    DuplicateKey {
        /// The key path.
        path: String,
        /// The key, or the field and value of the items.
        what: String,
        /// Line of the first, from 1.
        first: u64,
        /// Line of the second, from 1.
        second: u64,
    },
    /// An anchor, alias or merge key shares the value with other places.
    #[error("`{path}` is shared by lines {}: {why}", list(places))]
    Shared {
        /// The key path.
        path: String,
        /// Line at which the path meets what is shared, from 1.
        line: u64,
        /// All lines that share it, in order: the anchor and its aliases.
        places: Vec<u64>,
        /// How it is shared.
        why: String,
        /// What to write instead, and where.
        instead: String,
    },
    /// The file is encrypted by SOPS, and the edit would break its MAC or its encryption.
    #[error("the file is encrypted by SOPS, and `{path}` cannot change without its key: {why}")]
    Sops {
        /// The key path.
        path: String,
        /// Line of `sops:` or of the encrypted value, from 1.
        line: u64,
        /// Which rule of SOPS forbids it.
        why: String,
    },
    /// The value is a template.
    #[error("`{path}` (line {line}) is the template `{value}`, not a value")]
    Template {
        /// The key path.
        path: String,
        /// Line, from 1.
        line: u64,
        /// The template, shortened if long.
        value: String,
    },
    /// Something else than a tag of the image stands there.
    #[error("`{path}` holds `{value}`, which is {}", not_this(image, *is_spec))]
    OtherImage {
        /// The key path.
        path: String,
        /// Line, from 1.
        line: u64,
        /// What stands there.
        value: String,
        /// The image.
        image: String,
        /// Whether the image with its tag is expected there, and not the tag alone.
        is_spec: bool,
    },
    /// A range of versions stands where one version is written.
    #[error(
        "`{path}` cannot be changed safely: `{value}` is a range of versions, and what it deploys is chosen elsewhere"
    )]
    Range {
        /// The key path.
        path: String,
        /// Line, from 1.
        line: u64,
        /// The range.
        value: String,
    },
    /// The file holds an object that is never edited.
    #[error("line {line} begins {} {kind}, which is never edited", article(kind))]
    Sealed {
        /// `SealedSecret` or `ExternalSecret`.
        kind: String,
        /// Line of the object's kind, from 1.
        line: u64,
    },
    /// The file is over a limit.
    #[error("the file has {found}, the limit is {limit}")]
    TooLarge {
        /// What was found.
        found: String,
        /// The limit.
        limit: String,
    },
    /// The file is not UTF-8.
    #[error("the file is not UTF-8 at line {line}, byte {offset}")]
    Encoding {
        /// Line, from 1.
        line: u64,
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// The text is not the one that the edit was made for.
    #[error("line {line} does not hold `{expected}` any more")]
    Moved {
        /// Line, from 1.
        line: u64,
        /// What the edit replaces.
        expected: String,
    },
    /// The change could not be proven to be the only one.
    #[error("`{path}` cannot be changed safely: {why}")]
    Unproven {
        /// The key path.
        path: String,
        /// Line, from 1, where known.
        line: Option<u64>,
        /// What stands against it.
        why: String,
    },
}

impl EditError {
    /// Gives the line the error is about, from 1, where there is one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::InvalidYaml { line, .. }
            | Self::JsonComment { line }
            | Self::NotJson { line, .. }
            | Self::NotScalar { line, .. }
            | Self::Shared { line, .. }
            | Self::Sops { line, .. }
            | Self::Template { line, .. }
            | Self::OtherImage { line, .. }
            | Self::Sealed { line, .. }
            | Self::Range { line, .. }
            | Self::Encoding { line, .. }
            | Self::Moved { line, .. } => Some(*line),
            Self::DuplicateKey { second, .. } => Some(*second),
            Self::Unproven { line, .. } => *line,
            Self::NoSuchKey { .. } | Self::TooLarge { .. } => None,
        }
    }

    /// Adds which of those that share a value are in the way.
    pub(crate) fn not_agreed(mut self, others: &[KeyPath]) -> Self {
        if let Self::Shared { why, .. } = &mut self {
            let others: Vec<String> = others.iter().take(SHOWN).map(|other| format!("`{other}`")).collect();
            *why = format!("{why}, and not of the image are {}", others.join(", "));
        }
        self
    }

    pub(crate) fn unproven(path: &KeyPath, line: Option<u64>, why: impl Into<String>) -> Self {
        Self::Unproven { path: path.to_string(), line, why: why.into() }
    }

    pub(crate) fn not_a_scalar(path: &KeyPath, line: u64, kind: &Kind) -> Self {
        let found = if matches!(kind, Kind::Seq { .. }) { "sequence" } else { "mapping" };
        Self::NotScalar { path: path.to_string(), line, found }
    }
}

impl Diagnostic for EditError {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidYaml { .. } | Self::JsonComment { .. } | Self::NotJson { .. } => "edit/invalid-yaml",
            Self::NoSuchKey { .. } => "edit/no-such-key",
            Self::NotScalar { .. } => "edit/not-a-scalar",
            Self::DuplicateKey { .. } => "edit/duplicate-key",
            Self::Shared { .. } => "edit/shared",
            Self::Sops { .. } => "edit/sops",
            Self::Template { .. } => "edit/template",
            Self::OtherImage { .. } => "edit/other-image",
            Self::Sealed { .. } => "edit/sealed",
            Self::TooLarge { .. } => "edit/too-large",
            Self::Encoding { .. } => "edit/encoding",
            Self::Moved { .. } => "edit/moved",
            Self::Unproven { .. } | Self::Range { .. } => "edit/unproven",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::InvalidYaml { template: true, .. } => {
                "this looks like a template of a chart: name the values file instead".to_owned()
            }
            Self::InvalidYaml { line, .. } => format!("correct line {line}"),
            Self::JsonComment { .. } => {
                "take the comments out, or write the file as YAML, where `#` begins them".to_owned()
            }
            Self::NotJson { line, .. } => format!("correct line {line}, or end the name of the file in `.yaml`"),
            Self::NoSuchKey { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`? If the key is right, add it to the file once with its present value")
            }
            Self::NoSuchKey { nearest: None, .. } => {
                "add the key to the file once with its present value, or name the file that has it".to_owned()
            }
            Self::NotScalar { path, found: "sequence", .. } => format!("name an item of it, such as `{path}[0]`"),
            Self::NotScalar { path, .. } => format!("name a value below it, such as `{path}.tag`"),
            Self::DuplicateKey { first, second, .. } if first == second => format!("remove one of the two at line {first}"),
            Self::DuplicateKey { first, second, .. } => format!("remove line {first} or line {second}"),
            Self::Shared { instead, .. } => instead.clone(),
            Self::Sops { .. } => {
                "keep image tags in a values file that is not encrypted, or encrypt with `mac_only_encrypted: true` and an \
                 `encrypted_regex` that leaves this key out"
                    .to_owned()
            }
            Self::Template { .. } => "name the value that the template takes its text from".to_owned(),
            Self::OtherImage { is_spec: true, .. } => {
                "`helm.image-spec` wants the place of the whole image with its tag; for the tag alone use `helm.image-tag`"
                    .to_owned()
            }
            Self::OtherImage { is_spec: false, .. } => {
                "correct the key path; for a place that holds the whole image with its tag use `helm.image-spec`".to_owned()
            }
            Self::Range { .. } => {
                "write one version there with all of its three numbers, or leave it to the range and take the image off the list"
                    .to_owned()
            }
            Self::Sealed { .. } => "keep image tags in another file".to_owned(),
            Self::TooLarge { .. } => "split the file, or name another one".to_owned(),
            Self::Encoding { .. } => "save the file as UTF-8".to_owned(),
            Self::Moved { .. } => "the file has changed since it was read: read it again".to_owned(),
            Self::Unproven { line: Some(line), .. } => format!("change line {line} by hand, or write it in a usual form"),
            Self::Unproven { line: None, .. } => "change the value by hand, or write the file in a usual form".to_owned(),
        })
    }
}

fn not_this(image: &str, is_spec: bool) -> String {
    if is_spec { format!("not the image `{image}`") } else { "no image tag".to_owned() }
}

fn twice(first: u64, second: u64) -> String {
    if first == second {
        format!("twice at line {first}")
    } else {
        format!("at line {first} and again at line {second}")
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" }
}

fn list(lines: &[u64]) -> String {
    lines.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
