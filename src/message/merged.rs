//! What the message of a merge says: the pull request that it brought.
//!
//! Every forge has its own wording, for merges and for squashed commits. Only texts that forges themselves write count, at the
//! places where they write them; a number in somebody's prose is none. A rebased commit says nothing.

use crate::model::pull_name::{PullName, read_number};

/// Trailers and sentences with which forges name the pull request in the body.
const BODY: [&str; 5] = ["see merge request ", "reviewed-on: ", "pr-url: ", "pull-request: ", "merge-request: "];

/// A pull request, as the message of a commit names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MergedPull {
    /// Its number in the project.
    pub number: u64,
    /// `#`, or `!` as GitLab writes it.
    pub sign: char,
    /// Its URL, where the message gives it.
    pub url: Option<String>,
}

/// Finds the pull request that a commit's message says it brought.
pub fn pull_request(message: &str) -> Option<MergedPull> {
    let mut lines = message.lines().map(str::trim);
    let subject = lines.next()?;
    let of_body = || lines.rev().find_map(of_line);
    of_subject(subject).or_else(of_body)
}

/// GitHub's, Gitea's, Bitbucket's and Azure's merges, and the `(#12)` of squashed commits.
fn of_subject(subject: &str) -> Option<MergedPull> {
    let first = |rest: &str| read_number(rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    let plain = |sign, number| MergedPull { number, sign, url: None };
    for start in ["Merge pull request #", "Merged PR ", "Pull request #"] {
        if let Some(rest) = subject.strip_prefix(start) {
            return first(rest).map(|number| plain('#', number));
        }
    }
    if let Some((_, rest)) = subject.starts_with("Merged in ").then(|| subject.rsplit_once("(pull request #")).flatten()
    {
        return first(rest).map(|number| plain('#', number));
    }
    // Gitea: Merge pull request 'Title' (#12) from branch into main. The title is anybody's.
    if subject.starts_with("Merge pull request '") {
        let (_, rest) = subject.rsplit_once("' (#")?;
        let (number, rest) = rest.split_once(')')?;
        return read_number(number).filter(|_| rest.starts_with(" from ")).map(|number| plain('#', number));
    }
    let (sign, (_, rest)) = ['#', '!'].into_iter().find_map(|sign| {
        let found = subject.strip_suffix(')')?.rsplit_once(&format!("({sign}"))?;
        Some((sign, found))
    })?;
    read_number(rest).map(|number| plain(sign, number))
}

fn of_line(line: &str) -> Option<MergedPull> {
    let rest = BODY.iter().find_map(|start| {
        let head = line.get(..start.len())?;
        line.get(start.len()..).filter(|_| head.eq_ignore_ascii_case(start))
    })?;
    let rest = rest.trim();
    if let Some(name) = PullName::read(rest) {
        let url = name.has_host.then(|| rest.to_owned());
        return Some(MergedPull { number: name.number, sign: name.sign, url });
    }
    let sign = rest.chars().next().filter(|sign| matches!(sign, '#' | '!'))?;
    read_number(rest.get(1..)?).map(|number| MergedPull { number, sign, url: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forge_says_in_its_own_words_which_pull_request_it_merged() {
        for (message, expected) in [
            ("Merge pull request #12 from acme/repin/web-staging\n\nUpdate web to 1.1.0\n", Some("#12")),
            ("Merge pull request #12 from evil/x (#99)\n", Some("#12")),
            ("Update web to 1.1.0 (#12)\n\nRepin-Format: 1\n", Some("#12")),
            (
                "Merge branch 'repin/web' into 'main'\n\nUpdate web to 1.1.0\n\nSee merge request acme/gitops!12\n",
                Some("!12"),
            ),
            ("Merge branch 'repin/web' into 'main'\n\nSee merge request !12", Some("!12")),
            (
                "Update web\n\nSee merge request https://gitlab.example.com/acme/gitops/-/merge_requests/7\n",
                Some("!7 https://gitlab.example.com/acme/gitops/-/merge_requests/7"),
            ),
            ("Merge pull request 'Update web to 1.1.0' (#12) from repin/web into main\n", Some("#12")),
            ("Merge pull request 'Take ' (#99) from x' (#12) from repin/web into main\n", Some("#12")),
            ("Update web to 1.1.0 (#12)\n\nReviewed-on: https://codeberg.org/acme/gitops/pulls/12\n", Some("#12")),
            (
                "Update web to 1.1.0\n\nReviewed-on: https://codeberg.org/acme/gitops/pulls/12\nReviewed-by: Paula <p@x>\n",
                Some("#12 https://codeberg.org/acme/gitops/pulls/12"),
            ),
            (
                "Update web\n\nPR-URL: https://github.com/acme/gitops/pull/5\r\n",
                Some("#5 https://github.com/acme/gitops/pull/5"),
            ),
            ("Merged in repin/web (pull request #12)\n\nUpdate web\n", Some("#12")),
            ("Merged PR 12: Update web", Some("#12")),
            ("Pull request #12: Update web\n\nMerge in ACME/gitops from repin/web to main", Some("#12")),
            ("Revert \"Update web to 1.1.0 (#12)\" (#13)", Some("#13")),
            // A revert that a person made says what it took back, not what brought it.
            ("Revert \"Update web to 1.1.0 (#12)\"\n\nThis reverts commit 0123.\n", None),
            ("Update web to 1.1.0", None),
            ("", None),
            ("\n\nSee merge request !12", Some("!12")),
            ("Fix #12", None),
            ("Fix (#12) at last", None),
            ("Update web (#0)", None),
            ("Update web (#-1)", None),
            ("Update web (#12345678901234567890123)", None),
            ("Update web (12)", None),
            ("Merge pull request #x from y", None),
            ("Merge pull request 'a' (#12) for you", None),
            ("Update web\n\nI wrote: see merge request !12 there\n", None),
            ("Update web\n\nSee merge request javascript:alert(1)\n", None),
            ("Update web\n\nReviewed-on: https://evil.example/\u{1b}[2J/pulls/1\n", None),
            ("\u{202e}(#12)", Some("#12")),
        ] {
            let found = pull_request(message).map(|pull| {
                let url = pull.url.map(|url| format!(" {url}")).unwrap_or_default();
                format!("{}{}{url}", pull.sign, pull.number)
            });
            assert_eq!(found.as_deref(), expected, "{message:?}");
        }
    }
}
