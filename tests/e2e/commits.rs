//! Commits: who they are by, what they say, and who signed them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::signing::SigningKey;
use crate::world::{App, World};

const APP: App<'_> = App { name: "web", constraint: "", annotations: &[] };
const TEMPLATE: &str = "  message: |
    deploy({{ environments|join(',') }}): {{ applications|map(attribute='name')|join(', ') }} in {{ repository }}@{{ branch }}

    {% for image in images -%}
    * {{ image.application.name }}/{{ image.alias }} {{ image.old or 'nothing' }} -> {{ image.new }} ({{ image.file }}#{{ image.key }})
    {% endfor %}
    Reviewed-by: nobody
";

fn configure(world: &World, commit: &str) {
    world.configure(&format!("{}commit:\n{commit}", world.standard_config()));
}

/// What git reads as the trailers of a message.
fn trailers(message: &str) -> String {
    let mut child = Command::new("git")
        .args(["interpret-trailers", "--parse"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_commit_is_by_whom_says_what_and_is_signed_as_the_settings_want() {
    let Some(key) = SigningKey::make("ed25519", "canary phrase") else { return };
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let phrase = world.remote.scratch().join("phrase");
    std::fs::write(&phrase, "canary phrase\n").unwrap();
    let signing = format!(
        "  sign_off: true\n  signing: {{ssh_key: {{file: {}}}, passphrase: {{file: {}}}}}\n",
        key.file().display(),
        phrase.display()
    );
    let people = "  author: {name: Update Bot, email: bot@example.com}\n  committer: {name: Release Bot, email: release@example.com}\n";
    configure(&world, &format!("{people}{TEMPLATE}{signing}"));
    world.takes("1.1.0");
    key.verify(&world.remote, "main");
    world.remote.fsck();
    let shown = world.remote.git(&["log", "-1", "--format=%an <%ae>%n%cn <%ce>%n%B"]);
    let image = world.image("web");
    let body = "deploy(dev): web in gitops@main\n\n* web/app 1.0.0 -> 1.1.0 (apps/web/values.yaml#image.tag)\n\nReviewed-by: nobody\n\n";
    assert!(
        shown.starts_with(&format!(
            "Update Bot <bot@example.com>\nRelease Bot <release@example.com>\n{body}Repin-Format: 1\n"
        )),
        "{shown}"
    );
    let message = world.remote.git(&["log", "-1", "--format=%B"]);
    let read = trailers(&message);
    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(lines.len(), 5, "{read}");
    assert_eq!(
        (lines[0], lines[2], lines[4]),
        ("Repin-Format: 1", "Repin-Application: argocd/web (dev)", "Signed-off-by: Release Bot <release@example.com>")
    );
    assert!(
        lines[1].starts_with(&format!("Repin-Change: apps/web/values.yaml#image.tag {image} 1.0.0 1.1.0 sha256:")),
        "{read}"
    );
}

#[test]
fn an_update_in_other_words_that_is_reverted_is_not_made_again() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    configure(&world, TEMPLATE);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    for _ in 0..2 {
        let outcome = world.once();
        assert_eq!(outcome["code"], "guard/rolled-back", "{outcome:#}");
        world.drop_cache();
    }
    world.registry.publish("acme/web", &["1.2.0"]);
    world.takes("1.2.0");
    // An own downgrade rests on what the trailers claim.
    world.add_app(&App { annotations: &["repin.dev/app.allow-downgrade: \"true\""], ..APP }, "1.2.0");
    assert_eq!(world.once()["result"], "current");
}

#[test]
fn a_template_that_fails_on_one_commit_gives_way_to_the_default_and_is_told() {
    let world = World::with_web(&["1.0.0", "9.0.0"]);
    configure(&world, "  message: \"{% if images[0].new == '9.0.0' %}{{ images[7].new }}{% endif %}Deploy\"\n");
    let said = world.repin(&["once"]);
    assert_eq!((said.code, &said.json["outcomes"][0]["result"]), (0, &"delivered".into()), "{said:#?}");
    let problem = &said.json["problems"][0];
    assert_eq!((&problem["code"], &problem["severity"]), (&"config/message".into(), &"warning".into()), "{said:#?}");
    assert!(problem["message"].as_str().unwrap().contains("Update web to 9.0.0"), "{said:#?}");
    assert_eq!(world.remote.git(&["log", "-1", "--format=%s"]), "Update web to 9.0.0");
}

#[test]
fn what_cannot_work_is_refused_at_the_start_with_its_line() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let head = world.remote.head();
    let lines = world.standard_config().lines().count() as u64;
    for (commit, key, part) in [
        ("  message: \"{{ tag }}\"\n", "commit.message", "undefined"),
        ("  message: \"{% for %}\"\n", "commit.message", "line 1 of the template"),
        ("  author: {name: \"a <b\", email: a@b}\n", "commit.author.name", "holds no < and >"),
        ("  signing: {ssh_key: {file: /nonexistent/key}}\n", "commit.signing.ssh_key", "cannot be read"),
        ("  own_emails: [\"a b\"]\n", "commit.own_emails[0]", "holds no blanks"),
    ] {
        configure(&world, commit);
        let said = world.repin(&["once"]);
        assert_eq!(said.code, 3, "{said:#?}");
        let problem = &said.json["problems"][0];
        let message = problem["message"].as_str().unwrap();
        assert!(message.contains(&format!("`{key}`")) && message.contains(part), "{message}");
        assert_eq!(problem["line"], lines + 2, "{said:#?}");
    }
    assert_eq!(world.remote.head(), head);
}
