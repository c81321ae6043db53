//! What one commit holds: the granularity that the rules ask for (`per`), and the annotation `group`.

use crate::model::branch_template::BranchTemplate;
use crate::model::names::ApplicationKey;
use crate::model::rule::{Delivery, Per};
use crate::model::tracked::RemoteBranch;
use crate::plan::Subject;
use crate::plan::judge::Judgement;

/// The changes that are committed together. Units of one branch are committed in their order.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(in crate::plan) enum Unit<'a> {
    /// One Application.
    Application(&'a ApplicationKey),
    /// One Application in one environment: the group of those that name none.
    Part(&'a ApplicationKey, Option<&'a str>),
    /// The Applications that name this group.
    Group(&'a str),
    /// One environment.
    Environment(&'a str),
    /// The whole branch.
    Repository,
}

/// Where the changes of a unit go: the base that is read, and the template of the branch that is made.
pub(in crate::plan) type Way<'a> = (&'a RemoteBranch, Option<&'a BranchTemplate>);

impl<'a> Unit<'a> {
    /// Tells in which commit a subject's change goes. One pull request is for one environment, unless somebody says
    /// otherwise.
    pub(in crate::plan) fn of(subject: &'a Subject, delivery: Delivery) -> Self {
        let (rule, image) = (subject.rule.as_ref(), &subject.tracked);
        let environment = rule.and_then(|rule| rule.environment.as_deref());
        let group = image.group.as_deref();
        let per = rule.and_then(|rule| rule.per);
        let is_grouped = group.is_some() || delivery == Delivery::PullRequest;
        match per.unwrap_or(if is_grouped { Per::Group } else { Per::Application }) {
            Per::Application => Self::Application(&image.application),
            Per::Group => group.map_or(Self::Part(&image.application, environment), Self::Group),
            // What has no environment has nothing in common with anything.
            Per::Environment => environment.map_or(Self::Application(&image.application), Self::Environment),
            Per::Repository => Self::Repository,
        }
    }

    /// The same for what was decided on: what is promoted goes at least with its group, whatever `per` says.
    pub(in crate::plan) fn of_judged(subject: &'a Subject, judgement: &Judgement) -> Self {
        match Self::of(subject, judgement.delivery) {
            Self::Application(_) if judgement.is_promoted => Self::together(subject),
            unit => unit,
        }
    }

    /// Tells with which others a subject is promoted: those of its group, whatever one commit holds.
    pub(in crate::plan) fn together(subject: &'a Subject) -> Self {
        let environment = subject.environment();
        let image = &subject.tracked;
        image.group.as_deref().map_or(Self::Part(&image.application, environment), Self::Group)
    }

    /// Gives its name for people.
    pub(in crate::plan) fn title(&self) -> String {
        match self {
            Self::Application(key) | Self::Part(key, None) => key.name.clone(),
            Self::Part(key, Some(environment)) => format!("{} in {environment}", key.name),
            Self::Group(name) | Self::Environment(name) => (*name).to_owned(),
            Self::Repository => "all".to_owned(),
        }
    }
}

/// Tells where a subject's change goes.
pub(in crate::plan) fn way(subject: &Subject) -> Option<Way<'_>> {
    let target = subject.tracked.target.as_ref()?;
    Some((&target.base, target.made.as_ref().map(|made| &made.template)))
}
