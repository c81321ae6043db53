//! `repin login-check [host…] [--image <image>]`: which credentials are used for each registry, and what it answers.

use std::fmt::Write as _;

use futures_util::future::join_all;

use crate::cli::document::{LoginDocument, RegistryCheck, VERSION};
use crate::cli::render::{self, Paint, Palette, clean};
use crate::cli::{CONFIGURATION, FAILED, FINE, Global, USAGE, usage_problem};
use crate::config::settings::Settings;
use crate::config::{self, options};
use crate::diagnostic::Diagnostic;
use crate::model::names::ImageName;
use crate::model::problem::Problem;
use crate::registry::{PUBLIC_REGISTRIES, Probe, Registries, RegistryError};

/// One registry with one of its credentials.
struct Way {
    /// The registry, and the image if one is asked for; with the pull secret.
    asked: ImageName,
    /// Where the credentials stand in the configuration.
    setting: Option<String>,
}

/// Exit 0 if every registry takes its credentials, 1 if one does not, 2 if a host or the image cannot be meant, 3 if a
/// configuration is there and cannot be used.
pub(super) async fn run(global: &Global, hosts: &[String], image: Option<&str>) -> u8 {
    let (hosts, image) = match named(hosts, image) {
        Ok(named) => named,
        Err(problems) => {
            global.refuse("login-check", &problems);
            return USAGE;
        }
    };
    let (settings, mut problems) = match config::find(global.config.as_deref()) {
        Some(_) => match global.settings("login-check") {
            Ok((settings, warnings)) => (Some(settings), warnings),
            Err(code) => return code,
        },
        None => (None, Vec::new()),
    };
    let ways = match ways(settings.as_ref(), &hosts, image.as_ref()) {
        Ok(ways) => ways,
        Err(wrong) => {
            problems.extend(wrong);
            global.refuse("login-check", &problems);
            return USAGE;
        }
    };
    let registries = match Registries::new(settings.as_ref().map(options::registries).unwrap_or_default()) {
        Ok(registries) => registries,
        Err(error) => {
            problems.push(usage_problem(error.code(), error.to_string(), error.hint()));
            global.refuse("login-check", &problems);
            return CONFIGURATION;
        }
    };
    let asked = ways.iter().map(|way| async { check(way, registries.probe(&way.asked).await) });
    let checks: Vec<RegistryCheck> = join_all(asked).await;
    let failed = checks.iter().filter(|check| check.result == "failed").count();
    if global.is_json() {
        render::json(&LoginDocument { version: VERSION, registries: &checks, problems: &problems });
    } else {
        render::out(&text(&checks, Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
        render::talk(&format!("{} ok, {failed} failed\n", checks.len() - failed));
    }
    if failed > 0 { FAILED } else { FINE }
}

/// Reads the hosts and the image; each host is one of a registry, without a path.
fn named(hosts: &[String], image: Option<&str>) -> Result<(Vec<ImageName>, Option<ImageName>), Vec<Problem>> {
    let mut problems = Vec::new();
    let mut read: Vec<ImageName> = Vec::new();
    for text in hosts {
        match format!("{text}/x/x").parse::<ImageName>() {
            Ok(name) if name.repository() == "x/x" => {
                let registry = name.of_registry();
                if !read.contains(&registry) {
                    read.push(registry);
                }
            }
            _ => {
                let message = format!("`{}` is no host of a registry", clean(text));
                let hint = "write the part of image names before the first `/`, such as `ghcr.io`; an image goes with `--image`";
                problems.push(usage_problem("usage/invalid", message, Some(hint.to_owned())));
            }
        }
    }
    let image = match image.map(str::parse::<ImageName>) {
        None => None,
        Some(Ok(image)) => Some(image),
        Some(Err(error)) => {
            let hint = "write it without tag and digest, such as `ghcr.io/acme/web`".to_owned();
            problems.push(usage_problem("usage/invalid", error.to_string(), Some(hint)));
            None
        }
    };
    if let Some(image) = image.as_ref().filter(|image| !read.is_empty() && !read.contains(&image.of_registry())) {
        let message = format!("`--image` is at `{}`, which is none of the hosts", image.registry());
        let hint = "name its host too, or leave the hosts out".to_owned();
        problems.push(usage_problem("usage/invalid", message, Some(hint)));
    }
    if problems.is_empty() { Ok((read, image)) } else { Err(problems) }
}

/// Gives what is asked: the named registries, else that of the image, else all that are configured; each with its own
/// credentials and with every pull secret that is for it.
fn ways(settings: Option<&Settings>, hosts: &[ImageName], image: Option<&ImageName>) -> Result<Vec<Way>, Vec<Problem>> {
    let configured = settings.map(|settings| settings.registries.as_slice()).unwrap_or_default();
    let secrets = settings.map(|settings| settings.pull_secrets.as_slice()).unwrap_or_default();
    let is_public = |host: &str| PUBLIC_REGISTRIES.iter().any(|public| public.host == host);
    let is_known = |host: &str| is_public(host) || configured.iter().any(|one| one.host == host);
    let mut wanted: Vec<ImageName> = match (hosts, image) {
        ([], Some(image)) => vec![image.of_registry()],
        ([], None) => {
            let of_secrets = secrets.iter().flat_map(|one| &one.secret.registries).filter(|host| is_known(host));
            let all = configured.iter().map(|one| &one.host).chain(of_secrets);
            all.filter_map(|host| Some(format!("{host}/x/x").parse::<ImageName>().ok()?.of_registry())).collect()
        }
        (hosts, _) => hosts.to_vec(),
    };
    let mut seen: Vec<ImageName> = Vec::new();
    wanted.retain(|name| {
        !seen.contains(name) && {
            seen.push(name.clone());
            true
        }
    });
    if wanted.is_empty() {
        let message = "no registry is configured, and none is named".to_owned();
        let hint = "name a public one, such as `repin login-check docker.io`, or an image with `--image`".to_owned();
        return Err(vec![usage_problem("usage/invalid", message, Some(hint))]);
    }
    let unknown = wanted.iter().filter(|name| !is_known(name.registry()));
    let unknown: Vec<Problem> = unknown
        .map(|name| {
            let error = RegistryError::Unconfigured { image: name.clone() };
            usage_problem(error.code(), error.to_string(), error.hint())
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut ways = Vec::new();
    for name in wanted {
        let host = name.registry();
        let asked = image.filter(|image| image.registry() == host).unwrap_or(&name);
        let at = configured.iter().position(|one| one.host == host);
        let own = at.filter(|at| configured.get(*at).is_some_and(|one| one.credentials.is_some()));
        let setting = own.map(|at| format!("registries[{at}].credentials"));
        ways.push(Way { asked: asked.clone(), setting });
        for (at, secret) in secrets.iter().enumerate() {
            if secret.secret.registries.iter().any(|one| one == host) {
                let setting = Some(format!("pull_secrets[{at}].credentials"));
                ways.push(Way { asked: asked.with_pull_secret(&secret.secret.name), setting });
            }
        }
    }
    Ok(ways)
}

fn check(way: &Way, probe: Result<Probe, RegistryError>) -> RegistryCheck {
    let Way { asked, setting } = way;
    let (api, credential, expires, answer) = match probe {
        Ok(Probe { api, credential, expires, answer }) => (Some(api), credential, expires, answer),
        Err(error) => (None, "none".to_owned(), None, Err(error)),
    };
    let credential = match setting {
        Some(setting) => format!("{credential} ({setting})"),
        None => credential,
    };
    let (result, code, message, hint) = match answer {
        Ok(said) => ("ok", None, said, None),
        Err(error) => ("failed", Some(error.code().to_owned()), error.to_string(), error.hint()),
    };
    RegistryCheck {
        host: asked.registry().to_owned(),
        api,
        credential,
        pull_secret: asked.pull_secret().map(str::to_owned),
        image: Some(asked.repository())
            .filter(|path| !path.is_empty())
            .map(|path| format!("{}/{path}", asked.registry())),
        result,
        code,
        message,
        hint,
        expires,
    }
}

fn text(checks: &[RegistryCheck], palette: Palette) -> String {
    let mut text = String::new();
    let names: Vec<String> = checks
        .iter()
        .map(|check| match &check.pull_secret {
            Some(name) => clean(&format!("{} ({name})", check.host)),
            None => clean(&check.host),
        })
        .collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (check, name) in checks.iter().zip(&names) {
        let paint = if check.result == "ok" { Paint::Green } else { Paint::Red };
        let pad = " ".repeat(width.saturating_sub(name.chars().count()));
        let result = palette.paint(paint, &format!("{:<6}", check.result));
        let until = check.expires.map(|until| format!(", until {}", until.strftime("%Y-%m-%dT%H:%M:%SZ")));
        let _ = writeln!(text, "{name}{pad}  {result}  {}{}", clean(&check.credential), until.unwrap_or_default());
        match &check.code {
            Some(code) => {
                let _ = writeln!(text, "    {code}: {}", clean(&check.message));
            }
            None => {
                let api = check.api.as_deref().unwrap_or_default();
                let _ = writeln!(text, "    {} {}", clean(api), clean(&check.message));
            }
        }
        if let Some(hint) = &check.hint {
            let _ = writeln!(text, "    hint: {}", clean(hint));
        }
    }
    text
}
