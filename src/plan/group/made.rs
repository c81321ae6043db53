//! Branches that are made for a change (`git-branch` with a template): their names, and what stands in their way.
//!
//! A branch is made once, from the head of the base, with one commit for each unit. If it exists nothing is overwritten:
//! it either holds the value already, or a person decides. `branches:` of the repository and the rules for the finished
//! name must allow it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::branch_template::ImageChange;
use crate::model::names::{Branch, RepoPath};
use crate::model::outcome::OutcomeResult;
use crate::model::rule::Delivery;
use crate::model::tracked::{MadeBranch, RemoteBranch};
use crate::model::verification::{KeyName, keys_in_words};
use crate::plan::group::unit::{Unit, Way, way};
use crate::plan::judge::{Judgement, rule_hold};
use crate::plan::locate::{FileState, Located, Site, edit_failure};
use crate::plan::{Failure, Question, Snapshot, Subject};
use crate::rules::terms::{Terms, terms};
use crate::rules::{self, EffectiveRule};

/// Why a branch of one's own and a pull request do not go together.
const BOTH: &str =
    "`git-branch` makes a branch of its own, and the rules deliver by pull request, whose branch repin names";
const BOTH_HINT: &str = "take the template out of `git-branch`";

/// Names the branches of everything that is pending for one, by the subject's position, and holds what may not be
/// written. Asks for the files of branches that exist.
pub fn name_branches(
    snapshot: &Snapshot,
    judgements: &mut [Judgement],
) -> Result<BTreeMap<usize, Branch>, Vec<Question>> {
    let mut units: BTreeMap<(Way<'_>, Unit<'_>), Vec<usize>> = BTreeMap::new();
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        let Some(way) = way(subject).filter(|(_, template)| template.is_some()) else { continue };
        let Some(judgement) = judgements.get_mut(index).filter(|one| one.result == OutcomeResult::Pending) else {
            continue;
        };
        if judgement.delivery == Delivery::PullRequest {
            hold(judgements, &[index], "pull-request/branch", BOTH, BOTH_HINT);
            continue;
        }
        // What cannot be written is not in the branch, so its name does not tell of it.
        if let Some(failure) = refused(snapshot, subject, judgement) {
            let (to, back) = (judgement.to.take(), judgement.look_back.take());
            *judgement = Judgement::failed(&failure).with(to, back);
        } else {
            units.entry((way, Unit::of(subject, judgement.delivery))).or_default().push(index);
        }
    }
    let mut named = BTreeMap::new();
    let mut questions = BTreeSet::new();
    // Two bases cannot both begin one branch.
    let mut bases: BTreeMap<RemoteBranch, &Branch> = BTreeMap::new();
    for (((base, _), _), indexes) in units {
        let Some(made) = indexes.first().and_then(|index| made(snapshot, *index)) else { continue };
        let changes = changes(snapshot, judgements, &indexes);
        let text = made.template.render(&changes);
        let branch = match allowed(made, &text, base) {
            Ok(branch) => branch,
            Err((message, hint)) => {
                hold(judgements, &indexes, "target/outside", &message, &hint);
                continue;
            }
        };
        let written = RemoteBranch { repository: base.repository.clone(), branch: branch.clone() };
        if *bases.entry(written.clone()).or_insert(&base.branch) != &base.branch {
            let message = format!("the branch `{branch}` is made from another base in the same cycle");
            hold(judgements, &indexes, "branch/exists", &message, "give each base a template of its own");
            continue;
        }
        if let Some(other) = beside(snapshot, &written) {
            let message = format!("the remote has the branch `{other}`, and no branch `{branch}` can stand beside it");
            hold(
                judgements,
                &indexes,
                "branch/exists",
                &message,
                "delete that branch, or change the template of `git-branch`",
            );
            continue;
        }
        // One branch is made of all of it or not at all: its name tells what is in it.
        let mut members =
            indexes.iter().filter_map(|index| Some((snapshot.subjects.get(*index)?, judgements.get(*index)?)));
        if let Some(held) = members.find_map(|(subject, one)| hold_of_rules(snapshot, subject, one, &written)) {
            for index in &indexes {
                let Some(judgement) = judgements.get_mut(*index) else { continue };
                judgement.result = held.result;
                judgement.code.clone_from(&held.code);
                judgement.message.clone_from(&held.message);
            }
            continue;
        }
        let exists = snapshot.advertised.get(&base.repository).is_some_and(|all| all.contains_key(&branch));
        for index in indexes {
            let (Some(subject), Some(judgement)) = (snapshot.subjects.get(index), judgements.get_mut(index)) else {
                continue;
            };
            if !exists {
                judgement.message = format!("{}, on the new branch `{branch}`", judgement.message);
                named.insert(index, branch.clone());
                continue;
            }
            match holds(snapshot, subject, judgement, &written) {
                Err(question) => {
                    questions.insert(question);
                }
                Ok(true) => {
                    judgement.result = OutcomeResult::Held;
                    judgement.code = "branch/written".to_owned();
                    judgement.message = format!(
                        "the branch `{branch}` holds {} already, and `{}` does not yet",
                        judgement.to.as_deref().unwrap_or_default(),
                        base.branch
                    );
                }
                Ok(false) => {
                    let message = format!(
                        "the branch `{branch}` exists and does not hold {}; it is not overwritten",
                        judgement.to.as_deref().unwrap_or_default()
                    );
                    let hint = "delete the branch, or change the template of `git-branch`";
                    hold(judgements, &[index], "branch/exists", &message, hint);
                }
            }
        }
    }
    if questions.is_empty() { Ok(named) } else { Err(questions.into_iter().collect()) }
}

/// Says why the editor refuses a change to the file of the base.
fn refused(snapshot: &Snapshot, subject: &Subject, judgement: &Judgement) -> Option<Failure> {
    let located = subject.located.as_ref()?;
    let base = &subject.tracked.target.as_ref()?.base;
    let FileState::Parsed(source) = snapshot.files.get(&(base.clone(), located.file.clone()))? else { return None };
    let (place, image, wanted) = (located.place.as_ref()?, subject.tracked.image.as_ref()?, judgement.wanted.as_ref()?);
    place.write(source, image, wanted).err().map(|error| edit_failure(&located.file, &error))
}

fn made(snapshot: &Snapshot, index: usize) -> Option<&MadeBranch> {
    snapshot.subjects.get(index)?.tracked.target.as_ref()?.made.as_ref()
}

/// What the template sees. A digest stands with `-` for its `:`, which no branch has.
fn changes(snapshot: &Snapshot, judgements: &[Judgement], indexes: &[usize]) -> Vec<ImageChange> {
    let change = |index: &usize| {
        let (subject, judgement) = (snapshot.subjects.get(*index)?, judgements.get(*index)?);
        let image = subject.tracked.image.as_ref()?;
        let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
        let text = |tag: Option<&str>, digest: Option<&str>| match (tag.filter(|tag| !tag.is_empty()), digest) {
            (Some(tag), _) => tag.to_owned(),
            (None, digest) => digest.unwrap_or_default().replace(':', "-"),
        };
        let wanted = judgement.wanted.as_ref();
        Some(ImageChange {
            name: image.repository().to_owned(),
            alias: subject.tracked.alias.clone(),
            old_tag: text(site.and_then(Site::tag), site.and_then(|site| site.held.digest.as_deref())),
            new_tag: text(
                wanted.and_then(|wanted| wanted.tag.as_deref()),
                wanted.and_then(|wanted| wanted.digest.as_deref()),
            ),
        })
    };
    indexes.iter().filter_map(change).collect()
}

fn allowed(made: &MadeBranch, text: &str, base: &RemoteBranch) -> Result<Branch, (String, String)> {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    let branch: Branch = text.parse().map_err(|error: crate::model::names::NameError| {
        let message = format!("the template of `git-branch` makes `{shown}`, which is no branch: {}", error.rule);
        (message, "change the template so that it makes a name of at most 244 bytes; `{{.SHA256}}` is short".to_owned())
    })?;
    if made.allowed.iter().any(|glob| glob.is_match(branch.as_str())) {
        return Ok(branch);
    }
    let globs: Vec<&str> = made.allowed.iter().map(|glob| glob.as_str()).collect();
    let message = format!(
        "the template of `git-branch` makes `{shown}`, and `branches:` of the repository `{}` allows `{}`",
        base.repository,
        globs.join("`, `")
    );
    Err((message, "change the template, or let the operator allow the name: `branches: [<glob>]`".to_owned()))
}

/// Finds a branch that Git cannot keep beside this one: `a` and `a/b`.
fn beside<'a>(snapshot: &'a Snapshot, written: &RemoteBranch) -> Option<&'a Branch> {
    let is_below = |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    let name = written.branch.as_str();
    let mut all = snapshot.advertised.get(&written.repository)?.keys();
    all.find(|other| is_below(name, other.as_str()) || is_below(other.as_str(), name))
}

/// What the rules say of the finished name; before it was known they saw the template.
fn hold_of_rules(
    snapshot: &Snapshot,
    subject: &Subject,
    judgement: &Judgement,
    written: &RemoteBranch,
) -> Option<Judgement> {
    let (image, file) = (&subject.tracked, &subject.located.as_ref()?.file);
    let asked = rules::Subject {
        repository: &written.repository,
        branch: written.branch.as_str(),
        path: Some(file),
        application: &image.application.name,
        namespace: &image.application.namespace,
        project: &image.project,
        labels: &image.labels,
    };
    let rule = rules::effective(&snapshot.rules, false, &asked);
    let finished = terms(&rule, image);
    let delivery = finished.delivery;
    let observed = || {
        let message =
            format!("the rules say `observe: true` for the branch `{}`, so nothing is written", written.branch);
        rule.observe.then(|| Judgement::held("rule/observe", message))
    };
    let unverified = || {
        let keys: BTreeSet<KeyName> = rule.keys().difference(&judgement.verified).cloned().collect();
        let message = format!(
            "the rules demand signatures with {} for the branch `{}`, and say nothing of them for its template",
            keys_in_words(&keys),
            written.branch
        );
        (!keys.is_empty()).then(|| Judgement::held("guard/unverified", message))
    };
    let proposed = || {
        let message = format!("the rules say `delivery: pull-request` for the branch `{}`", written.branch);
        (delivery == Delivery::PullRequest).then(|| Judgement::held("pull-request/branch", message))
    };
    let stricter = || {
        let demanded = stricter(subject, &rule, &finished);
        let message = format!(
            "for the branch `{}` the rules say {}, by which it was not decided: they do not say so for the template, which they see with `*` for each action",
            written.branch,
            demanded.join(", ")
        );
        (!demanded.is_empty()).then(|| Judgement::held("rule/branch", message))
    };
    rule_hold(&rule, delivery, file).or_else(proposed).or_else(unverified).or_else(stricter).or_else(observed)
}

/// What the rules demand for the finished name and did not for the template, by which it was decided.
fn stricter(subject: &Subject, rule: &EffectiveRule, finished: &Terms) -> Vec<String> {
    let judged = subject.terms();
    let saw = subject.rule.as_ref();
    let mut demanded = Vec::new();
    let mut demand = |is_new: bool, what: String| {
        if is_new {
            demanded.push(what);
        }
    };
    let is_other = |own: &Option<String>, seen: Option<&Option<String>>| own.is_some() && Some(own) != seen;
    let environment = rule.environment.as_deref().unwrap_or_default();
    demand(is_other(&rule.environment, saw.map(|rule| &rule.environment)), format!("`environment: {environment}`"));
    let service = rule.service.as_deref().unwrap_or_default();
    demand(is_other(&rule.service, saw.map(|rule| &rule.service)), format!("`service: {service}`"));
    demand(finished.windows.iter().any(|set| !judged.windows.contains(set)), "`windows`".to_owned());
    demand(finished.registries.iter().any(|set| !judged.registries.contains(set)), "`registries`".to_owned());
    demand(finished.min_age > judged.min_age, "`min_age`".to_owned());
    demand(finished.soak > judged.soak, "`soak`".to_owned());
    demand(
        finished.promote_from.is_some() && finished.promote_from != judged.promote_from,
        "`promote_from`".to_owned(),
    );
    let is_less = |own: Option<u32>, seen: Option<u32>| own.is_some_and(|own| seen.is_none_or(|seen| own < seen));
    demand(is_less(finished.max_changes_per_hour, judged.max_changes_per_hour), "`max_changes_per_hour`".to_owned());
    demand(is_less(finished.max_changes_per_push, judged.max_changes_per_push), "`max_changes_per_push`".to_owned());
    demanded
}

/// Tells whether a branch that exists holds what is wanted.
fn holds(
    snapshot: &Snapshot,
    subject: &Subject,
    judgement: &Judgement,
    written: &RemoteBranch,
) -> Result<bool, Question> {
    let (Some(Located { file, place: Some(place), .. }), Some(image), Some(wanted)) =
        (&subject.located, &subject.tracked.image, &judgement.wanted)
    else {
        return Ok(false);
    };
    let key: (RemoteBranch, RepoPath) = (written.clone(), file.clone());
    let Some(state) = snapshot.files.get(&key) else { return Err(Question::File(key.0, key.1)) };
    let FileState::Parsed(source) = state else { return Ok(false) };
    let held = place.read(source, image);
    Ok(held.is_ok_and(|held| {
        wanted.tag.as_ref().is_none_or(|tag| held.tag.as_ref() == Some(tag)) && held.digest == wanted.digest
    }))
}

fn hold(judgements: &mut [Judgement], indexes: &[usize], code: &str, message: &str, hint: &str) {
    for index in indexes {
        let Some(judgement) = judgements.get_mut(*index) else { continue };
        judgement.result = OutcomeResult::Held;
        judgement.code = code.to_owned();
        judgement.message = message.to_owned();
        judgement.failure = Some(Failure {
            code: code.to_owned(),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
            line: None,
        });
    }
}
