//! Forges and the pull requests of repositories: what is seen from a URL, what is inherited, and what goes nowhere else.

use std::collections::BTreeSet;
use std::path::Path;

use repin::config::options;
use repin::config::settings::Settings;
use repin::credentials::Credentials;
use repin::forge::{ForgeLogin, ForgeTarget};
use repin::model::forge::{CommitsBy, ForgeKind, PullLimits, RebaseWhen};
use repin::secret::Secret;

use crate::{CANARY, app_key, check_whole, read, settings};

/// Gives the forge of the only repository, as it is handed on.
fn target(text: &str) -> Option<ForgeTarget> {
    targets(&settings(text)).remove(0)
}

fn targets(settings: &Settings) -> Vec<Option<ForgeTarget>> {
    let options = options::reconcile(settings, Path::new("repin.yaml"));
    options.repositories.into_iter().map(|repository| repository.forge).collect()
}

/// Gives kind, API, page and project in one line, and whether there is a login.
fn told(target: Option<ForgeTarget>) -> String {
    let Some(target) = target else { return "none".to_owned() };
    let options = target.options;
    let login = match options.login {
        ForgeLogin::App { .. } => "app",
        ForgeLogin::Fixed(Credentials::Token(_)) => "token",
        ForgeLogin::Fixed(Credentials::Basic { .. }) => "login",
        ForgeLogin::Fixed(_) => "nothing",
    };
    format!("{} {} {} {} {login}", options.kind.title(), options.api_url, options.web_url, target.project)
}

#[test]
fn what_a_forge_is_and_where_its_api_is_is_seen_from_the_url_where_that_is_safe() {
    const TOKEN: &str = "credentials: {token: {env: T}}";
    for (url, forge, expected) in [
        (
            "https://github.com/acme/gitops.git",
            "",
            "GitHub https://api.github.com/ https://github.com/ acme/gitops token",
        ),
        ("git@github.com:acme/gitops.git", "", "GitHub https://api.github.com/ https://github.com/ acme/gitops token"),
        (
            "ssh://git@ssh.github.com:443/acme/gitops",
            "",
            "GitHub https://api.github.com/ https://github.com/ acme/gitops token",
        ),
        (
            "https://acme.ghe.com/team/gitops",
            "",
            "GitHub https://api.acme.ghe.com/ https://acme.ghe.com/ team/gitops token",
        ),
        (
            "https://gitlab.com/acme/platform/gitops.git/",
            "",
            "GitLab https://gitlab.com/api/v4 https://gitlab.com/ acme/platform/gitops token",
        ),
        (
            "git@altssh.gitlab.com:acme/gitops.git",
            "",
            "GitLab https://gitlab.com/api/v4 https://gitlab.com/ acme/gitops token",
        ),
        (
            "https://codeberg.org/acme/gitops",
            "",
            "Gitea https://codeberg.org/api/v1 https://codeberg.org/ acme/gitops token",
        ),
        (
            "https://git.example.com:8443/acme/gitops",
            "kind: github",
            "GitHub https://git.example.com:8443/api/v3 https://git.example.com:8443/ acme/gitops token",
        ),
        (
            "ssh://git@git.example.com:7999/acme/gitops",
            "kind: forgejo",
            "Gitea https://git.example.com/api/v1 https://git.example.com/ acme/gitops token",
        ),
        (
            "ssh://git@git.example.com:7999/acme/gitops",
            "kind: gitlab, url: \"https://web.example.com/\"",
            "GitLab https://web.example.com/api/v4 https://web.example.com/ acme/gitops token",
        ),
        (
            // A forge below a path: its API says so.
            "https://example.com/git/acme/gitops.git",
            "kind: gitlab, url: \"https://example.com/git\", api_url: \"https://example.com/git/api/v4/\"",
            "GitLab https://example.com/git/api/v4 https://example.com/git acme/gitops token",
        ),
        (
            "git@example.com:acme/gitops.git",
            "kind: gitlab, url: \"https://example.com/git\", api_url: \"https://example.com/git/api/v4\"",
            "GitLab https://example.com/git/api/v4 https://example.com/git acme/gitops token",
        ),
        (
            "/srv/git/gitops.git",
            "kind: gitea, url: \"http://127.0.0.1:3000\", project: acme/gitops",
            "Gitea http://127.0.0.1:3000/api/v1 http://127.0.0.1:3000/ acme/gitops token",
        ),
        (
            "http://127.0.0.1:3000/acme/gitops.git",
            "kind: gitea",
            "Gitea http://127.0.0.1:3000/api/v1 http://127.0.0.1:3000/ acme/gitops token",
        ),
    ] {
        let keys = if forge.is_empty() { TOKEN.to_owned() } else { format!("{TOKEN}, {forge}") };
        let text = format!("repositories: [{{name: a, url: \"{url}\", forge: {{{keys}}}}}]\n");
        assert_eq!(told(target(&text)), expected, "{text}");
    }
}

#[test]
fn a_repository_has_the_forge_of_the_longest_url_that_holds_it() {
    let forges = "\
forges:
  - {url: https://github.com, credentials: {token: {env: T}}}
  - {url: https://github.com/Acme, credentials: {app: {id: 123, key: {file: github-app.pem}}}}
  - {url: https://github.com/acme/private, kind: github}
  - {url: \"https://git.example.com:8443\", kind: gitlab, credentials: {token: {env: T}}, requests_per_second: 2}
  - {url: https://mounted.example.com/git, kind: gitea, api_url: https://mounted.example.com/git/api/v1, credentials: {token: {env: T}}}
";
    for (url, expected) in [
        ("https://github.com/acme/gitops", "GitHub https://api.github.com/ https://github.com/ acme/gitops app"),
        ("git@github.com:acme/gitops.git", "GitHub https://api.github.com/ https://github.com/ acme/gitops app"),
        ("https://github.com/acme-2/gitops", "GitHub https://api.github.com/ https://github.com/ acme-2/gitops token"),
        // Read anonymously, so nobody may open pull requests there.
        ("https://github.com/acme/private", "none"),
        (
            "https://git.example.com:8443/a/b/c.git",
            "GitLab https://git.example.com:8443/api/v4 https://git.example.com:8443/ a/b/c token",
        ),
        (
            "ssh://git@git.example.com:7999/a/b",
            "GitLab https://git.example.com:8443/api/v4 https://git.example.com:8443/ a/b token",
        ),
        (
            "https://mounted.example.com/git/a/b",
            "Gitea https://mounted.example.com/git/api/v1 https://mounted.example.com/git a/b token",
        ),
        ("https://mounted.example.com/a/b", "none"),
        ("https://git.example.com/a/b", "none"),
        ("https://gitlab.com/a/b", "none"),
        ("/srv/git/acme/gitops", "none"),
        ("https://github.com/gitops", "none"),
    ] {
        let text = format!("{forges}repositories: [{{name: a, url: \"{url}\"}}]\n");
        assert_eq!(told(target(&text)), expected, "{url}");
    }
    let text = format!(
        "{forges}repositories: [{{name: a, url: \"https://git.example.com:8443/a/b\", \
         forge: {{commits: api, project: c/d, credentials: {{token: {{env: T}}}}}}, \
         pull_requests: {{max_open: 3, max_new_per_hour: 2, rebase: conflict}}}}]\n"
    );
    let read = settings(&text);
    let options = options::reconcile(&read, Path::new("repin.yaml"));
    let repository = &options.repositories[0];
    let forge = repository.forge.as_ref().unwrap();
    assert_eq!((forge.commits, forge.project.as_str()), (CommitsBy::Api, "c/d"));
    assert_eq!((forge.options.kind, forge.options.requests_per_second), (ForgeKind::GitLab, Some(2.0)));
    let limits = PullLimits { max_open: Some(3), max_new_per_hour: Some(2), rebase: RebaseWhen::Conflict };
    assert_eq!(repository.pull_requests, limits);
    let prefixes: Vec<&str> = options.forges.iter().map(|(url, _)| url.as_str()).collect();
    assert_eq!(prefixes[..2], ["https://github.com/", "https://github.com/Acme"]);
    assert_eq!(options.forges[1].1.login, ForgeLogin::App { id: "123".to_owned(), key: app_key() });
    assert_eq!(options.forges[1].1.web_url.as_str(), "https://github.com/");
}

#[test]
fn credentials_of_a_repository_are_its_forges_only_on_the_same_host() {
    let repository = |url: &str, credentials: &str, forge: &str| {
        format!("repositories: [{{name: a, url: \"{url}\", credentials: {credentials}, forge: {{{forge}}}}}]\n")
    };
    let token = "{token: {env: T}}";
    let login = "{username: me, password: {env: T}}";
    for (url, credentials, forge, expected) in [
        (
            "https://github.com/a/b",
            token,
            "commits: git",
            "GitHub https://api.github.com/ https://github.com/ a/b token",
        ),
        (
            "https://git.example.com/a/b",
            login,
            "kind: gitea",
            "Gitea https://git.example.com/api/v1 https://git.example.com/ a/b login",
        ),
        (
            "https://acme.ghe.com/a/b",
            token,
            "api_url: \"https://api.acme.ghe.com\"",
            "GitHub https://api.acme.ghe.com/ https://acme.ghe.com/ a/b token",
        ),
    ] {
        assert_eq!(told(target(&repository(url, credentials, forge))), expected, "{url} {forge}");
    }
    let missing =
        "1 config/missing-key: `repositories[0].forge` has no credentials, and nobody may open pull requests without";
    for (url, credentials, forge) in [
        // Another host, another port, another scheme, an API elsewhere, and a key for ssh.
        ("https://git.example.com/a/b", token, "kind: gitea, url: \"https://web.example.com\""),
        ("https://git.example.com:8443/a/b", token, "kind: gitea, url: \"https://git.example.com\""),
        ("http://127.0.0.1:3000/a/b", token, "kind: gitea, url: \"https://127.0.0.1:3000\""),
        ("https://git.example.com/a/b", token, "kind: gitea, api_url: \"https://api.example.com\""),
        ("https://github.com/a/b", token, "api_url: \"https://api.github.com.evil.example\""),
        ("ssh://git@git.example.com/a/b", "{ssh_key: {env: KEY}}", "kind: gitea"),
    ] {
        check_whole(&repository(url, credentials, forge), &[missing]);
    }
    // What `forges` holds goes to its own API alone.
    let text = |forge: &str| {
        format!(
            "forges: [{{url: \"https://git.example.com\", kind: gitea, credentials: {token}}}]\n\
             repositories: [{{name: a, url: \"https://git.example.com/a/b\", forge: {{{forge}}}}}]\n"
        )
    };
    check_whole(
        &text("api_url: \"https://evil.example\""),
        &[
            "2 config/invalid-value: `repositories[0].forge` has another `api_url` than its entry of `forges`, whose credentials go to https://git.example.com/api/v1 alone",
        ],
    );
    check_whole(
        &text("url: \"https://evil.example\", kind: gitea"),
        &[
            "2 config/missing-key: `repositories[0].forge` has no credentials, and nobody may open pull requests without",
        ],
    );
}

#[test]
fn the_way_to_a_forge_on_the_same_host_is_that_of_the_repository() {
    let text = |forge: &str| {
        format!(
            "repositories: [{{name: a, url: \"https://git.example.com/a/b\", ca: ca.pem, proxy: \"http://proxy:3128\", \
             credentials: {{token: {{env: T}}}}, forge: {{{forge}}}}}]\n"
        )
    };
    let forge = |text: &str| settings(text).repositories.remove(0).forge.unwrap().forge.access;
    let own = forge(&text("kind: gitlab"));
    assert_eq!(own.ca.as_deref(), Some(Path::new("/etc/repin/ca.pem")));
    assert_eq!(own.proxy, Some(Secret::new("http://proxy:3128")));
    let other = forge(&text("kind: gitlab, proxy: \"socks5://127.0.0.1:1080\", ca: other.pem"));
    assert_eq!(other.ca.as_deref(), Some(Path::new("/etc/repin/other.pem")));
    assert_eq!(other.proxy, Some(Secret::new("socks5://127.0.0.1:1080")));
    let elsewhere = forge(&text("kind: gitlab, url: \"https://web.example.com\", credentials: {token: {env: T}}"));
    assert_eq!((elsewhere.ca, elsewhere.proxy), (None, None));
}

#[test]
fn every_mistake_about_a_forge_has_its_line_its_key_and_its_rule() {
    let check = |forge: &str, expected: &[&str]| {
        let text = format!("repositories: [{{name: a, url: /srv/git/a}}]\nforges:\n  - {forge}\n");
        let expected: Vec<String> = expected.iter().map(|problem| format!("3 config/{problem}")).collect();
        check_whole(&text, &expected.iter().map(String::as_str).collect::<Vec<_>>());
        let found = format!("{:?}", read(&text));
        assert!(!found.contains(CANARY), "{found}");
    };
    for (forge, problem) in [
        ("{kind: github}", "missing-key: `forges[0].url` is missing, and it is required"),
        (
            "{url: \"https://git.example.com\"}",
            "missing-key: `forges[0]` has no `kind`, and what `git.example.com` is cannot be seen from its name",
        ),
        (
            "{url: \"https://github.com\", kind: githup}",
            "invalid-value: `forges[0].kind` is `githup`: it is one of github, gitlab, gitea, forgejo",
        ),
        ("{url: github.com}", "invalid-value: `forges[0].url` is no URL of a forge: relative URL without a base"),
        ("{url: \"ssh://github.com\"}", "invalid-value: `forges[0].url` is no URL of a forge: it starts with https://"),
        (
            "{url: \"http://github.com\"}",
            "invalid-value: `forges[0].url` is no URL of a forge: plain http:// is for this machine only",
        ),
        (
            "{url: \"https://github.com?x=1\"}",
            "invalid-value: `forges[0].url` is no URL of a forge: it has no query and no fragment",
        ),
        ("{url: \"https://hunter2-canary@github.com\"}", "secret: `forges[0].url` holds a user or a password"),
        (
            "{url: \"https://github.com\", api_url: \"http://api.github.com\"}",
            "invalid-value: `forges[0].api_url` is no URL of a forge: plain http:// is for this machine only",
        ),
        (
            "{url: \"https://github.com\", credentials: {token: hunter2-canary}}",
            "secret: `forges[0].credentials.token` holds the secret itself, and secrets are given by reference only",
        ),
        ("{url: \"https://github.com\", credentials: {}}", "missing-key: `forges[0].credentials` is empty"),
        (
            "{url: \"https://github.com\", credentials: {username: me}}",
            "unknown-key: `forges[0].credentials` has a key that is not known",
        ),
        (
            "{url: \"https://github.com\", credentials: {token: {env: T}, app: {id: 1, key: {file: github-app.pem}}}}",
            "invalid-value: `forges[0].credentials` has a token beside an App",
        ),
        (
            "{url: \"https://gitlab.com\", credentials: {app: {id: 1, key: {file: github-app.pem}}}}",
            "invalid-value: `forges[0]` has the credentials of a GitHub App, and it is a GitLab",
        ),
        (
            "{url: \"https://github.com\", credentials: {app: {key: {file: github-app.pem}}}}",
            "missing-key: `forges[0].credentials.app.id` is missing, and it is required",
        ),
        (
            "{url: \"https://github.com\", credentials: {app: {id: \"1/2\", key: {file: github-app.pem}}}}",
            "invalid-value: `forges[0].credentials.app.id`: it is the client id or the number of the App: letters, digits and . _ -",
        ),
        (
            "{url: \"https://github.com\", credentials: {app: {id: 1, key: {env: T}}}}",
            "secret: `forges[0].credentials.app.key` is no private key in PEM form",
        ),
        (
            // An elliptic curve, a key for ssh, and one that is cut.
            "{url: \"https://github.com\", credentials: {app: {id: 1, key: {env: KEY}}}}",
            "secret: `forges[0].credentials.app.key` is no RSA key of 2048 to 8192 bits in PEM form, or is cut or encrypted",
        ),
        (
            "{url: \"https://github.com\", credentials: {app: {id: 1, key: {env: CUT}}}}",
            "secret: `forges[0].credentials.app.key` is no RSA key of 2048 to 8192 bits in PEM form, or is cut or encrypted",
        ),
        (
            "{url: \"https://github.com\", ca: missing.pem}",
            "unreadable: `forges[0].ca` names /etc/repin/missing.pem, which is no readable file",
        ),
        (
            "{url: \"https://github.com\", proxy: \"ftp://x\"}",
            "invalid-value: `forges[0].proxy` is no http, https, socks5 or socks5h URL",
        ),
        (
            "{url: \"https://github.com\", requests_per_second: 0}",
            "invalid-value: `forges[0].requests_per_second` is `0`: it is a number from 0.001 to 1000",
        ),
    ] {
        check(forge, &[problem]);
    }
    let twice = "repositories: [{name: a, url: /srv/git/a}]\nforges:\n  - {url: \"https://github.com\"}\n  - {url: \"https://GitHub.com/\"}\n";
    check_whole(twice, &["4 config/duplicate: `forges[1]` has the URL of the entry in line 3"]);
}

#[test]
fn every_mistake_about_the_pull_requests_of_a_repository_is_named() {
    let check = |keys: &str, expected: &str| {
        let text = format!("repositories:\n  - {{name: a, url: \"https://github.com/a/b\", {keys}}}\n");
        check_whole(&text, &[&format!("2 config/{expected}")]);
    };
    let forge = |keys: &str| format!("forge: {{credentials: {{token: {{env: T}}}}, {keys}}}");
    check(
        &forge("project: b"),
        "invalid-value: `repositories[0].forge.project` is `b`: a project is owner/name, of letters, digits and . _ -, without .git",
    );
    check(&forge("commits: yes"), "invalid-value: `repositories[0].forge.commits` is `yes`: it is one of git, api");
    check(
        "pull_requests: {max_open: 0}",
        "invalid-value: `repositories[0].pull_requests.max_open` is `0`: it is a whole number from 1",
    );
    check(
        "pull_requests: {rebase: never}",
        "invalid-value: `repositories[0].pull_requests.rebase` is `never`: it is one of always, conflict",
    );
    check(
        "branch: repin/main",
        "invalid-value: `repositories[0].branch` is `repin/main`: branches that begin with repin/ are those of pull requests, and are replaced and deleted",
    );
    check(
        "forge: {}",
        "missing-key: `repositories[0].forge` has no credentials, and nobody may open pull requests without",
    );
    let local = |keys: &str, expected: &str| {
        let text = format!(
            "repositories:\n  - {{name: a, url: /srv/git/a, forge: {{credentials: {{token: {{env: T}}}}, {keys}}}}}\n"
        );
        check_whole(&text, &[&format!("2 config/{expected}")]);
    };
    local("kind: gitea", "missing-key: `repositories[0].forge` has no `url`, and that of the repository names no host");
    local(
        "kind: gitea, url: \"http://127.0.0.1:1\"",
        "missing-key: `repositories[0].forge` has no `project`, and the URL of the repository ends in no owner/name",
    );
    // The entry that is meant cannot be read; what is missing here may stand there.
    let text = "forges: [{url: \"https://git.example.com\", kind: gitlap}]\n\
                repositories: [{name: a, url: \"https://git.example.com/a/b\", forge: {commits: api}}]\n";
    check_whole(
        text,
        &["1 config/invalid-value: `forges[0].kind` is `gitlap`: it is one of github, gitlab, gitea, forgejo"],
    );
}

#[test]
fn whose_closing_refuses_nothing_is_compared_without_case() {
    let base = "repositories: [{name: a, url: /srv/git/a}]\n";
    let read = settings(&format!("{base}ignore_closed_by: [\"Renovate[bot]\", \"@Stale-Bot\"]\n"));
    let options = options::reconcile(&read, Path::new("repin.yaml"));
    assert_eq!(options.ignore_closed_by.into_iter().collect::<Vec<_>>(), ["renovate[bot]", "stale-bot"]);
    check_whole(
        &format!("{base}ignore_closed_by: [\"a b\", \"\"]\n"),
        &["a b", ""]
            .map(|text| {
                let at = usize::from(text.is_empty());
                let rule = "a login is up to 100 letters, digits and . _ - (and may end in [bot])";
                format!("2 config/invalid-value: `ignore_closed_by[{at}]` is `{text}`: {rule}")
            })
            .each_ref()
            .map(String::as_str),
    );
}

#[test]
fn commits_of_the_committer_are_ours_whatever_is_written() {
    let base = "repositories: [{name: a, url: /srv/git/a}]\n";
    let own = |commit: &str| {
        let read = settings(&format!("{base}{commit}"));
        options::reconcile(&read, Path::new("repin.yaml")).own_emails.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(own(""), ["repin@localhost"]);
    assert_eq!(own("commit: {author: {name: A, email: a@x.test}}\n"), ["a@x.test"]);
    let both = "commit: {author: {name: A, email: a@x.test}, committer: {name: B, email: Bot@X.test}, own_emails: [Old@X.test]}\n";
    assert_eq!(own(both), ["bot@x.test", "old@x.test"]);
}

#[test]
fn what_a_rule_says_of_pull_requests_is_checked_name_by_name() {
    let base = "repositories: [{name: a, url: /srv/git/a}]\n";
    let read = settings(&format!("{base}rules: [{{pull_request: {{labels: [], reviewers: [\"@alice\"]}}}}]\n"));
    let rule = &read.rules[0].pull_request;
    assert_eq!(rule.labels, Some(BTreeSet::new()), "an empty list takes back what an earlier rule says");
    assert_eq!(rule.reviewers, Some(["alice".to_owned()].into()));
    assert_eq!((rule.assignees.as_ref(), rule.draft, rule.auto_merge, rule.merge_method), (None, None, None, None));
    let label = "a label is 1 to 50 characters, without commas, control characters and blanks at its ends";
    let login = "a login is up to 100 letters, digits and . _ - (and may end in [bot])";
    for (keys, expected) in [
        ("labels: [\"a,b\"]", format!("labels[0]` is `a,b`: {label}")),
        ("labels: [deps, \"\"]", format!("labels[1]` is ``: {label}")),
        (
            "labels: [Repin/Rebase]",
            "labels[0]` is `Repin/Rebase`: repin/rebase and repin/retry are for people, who tell repin by them what to do"
                .to_owned(),
        ),
        ("labels: deps", "labels` is a single value, and a list is expected".to_owned()),
        ("reviewers: [a b]", format!("reviewers[0]` is `a b`: {login}")),
        (
            "reviewers: [acme/]",
            "reviewers[0]` is `acme/`: a team is organisation/team, of letters, digits and . _ -".to_owned(),
        ),
        ("assignees: [acme/web]", format!("assignees[0]` is `acme/web`: {login}")),
        ("draft: yes", "draft` is `yes`: it is true or false".to_owned()),
        ("auto_merge: true", "auto_merge` is `true`: it is one of off, optional, on".to_owned()),
        ("merge_method: ff", "merge_method` is `ff`: it is one of merge, squash, rebase".to_owned()),
    ] {
        let text = format!("{base}rules: [{{pull_request: {{{keys}}}}}]\n");
        check_whole(&text, &[&format!("2 config/invalid-value: `rules[0].pull_request.{expected}")]);
    }
    check_whole(
        &format!("{base}rules: [{{pull_request: {{label: [a]}}}}]\n"),
        &["2 config/unknown-key: `rules[0].pull_request.label` is not a known key"],
    );
}
