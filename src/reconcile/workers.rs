//! Blocking work on every repository at once. A repository is never lost to a panic of its worker.

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::error;

use crate::plan::Failure;
use crate::reconcile::repository::Repository;

/// Runs `work` for every repository at once, each with its own piece, and gives the answers in the same order.
///
/// No answer means that the worker panicked: its repository is made afresh, and the next use opens the mirror again.
pub(super) async fn on_each<P, A>(
    repositories: &mut Vec<Repository>,
    pieces: Vec<P>,
    work: impl Fn(&mut Repository, P) -> A + Send + Sync + 'static,
) -> Vec<Option<A>>
where
    P: Send + 'static,
    A: Send + 'static,
{
    let work = Arc::new(work);
    let options: Vec<_> = repositories.iter().map(|repository| repository.options.clone()).collect();
    let mut tasks = JoinSet::new();
    for (at, (mut repository, piece)) in std::mem::take(repositories).into_iter().zip(pieces).enumerate() {
        let work = work.clone();
        tasks.spawn_blocking(move || {
            let answer = work(&mut repository, piece);
            (at, repository, answer)
        });
    }
    let mut done: Vec<Option<(Repository, A)>> = options.iter().map(|_| None).collect();
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok((at, repository, answer)) => {
                if let Some(slot) = done.get_mut(at) {
                    *slot = Some((repository, answer));
                }
            }
            Err(failed) => error!("the work on a repository stopped: {failed}; it starts afresh in the next cycle"),
        }
    }
    let mut answers = Vec::with_capacity(done.len());
    for (slot, options) in done.into_iter().zip(options) {
        let (repository, answer) = match slot {
            Some((repository, answer)) => (repository, Some(answer)),
            None => (Repository::new(options), None),
        };
        repositories.push(repository);
        answers.push(answer);
    }
    answers
}

/// Says that the work on a repository was broken off by a defect of ours.
pub(super) fn defect(repository: &str) -> Failure {
    Failure {
        code: "internal/defect".to_owned(),
        message: format!("repository `{repository}`: the work on it was broken off by a defect of repin"),
        hint: Some("report the lines of the log above; the next cycle starts afresh with this repository".to_owned()),
        line: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::HistoryLimits;
    use crate::reconcile::repository::RepositoryOptions;

    fn repository(name: &str) -> Repository {
        Repository::new(RepositoryOptions {
            name: name.to_owned(),
            url: format!("file:///{name}").parse().unwrap(),
            part: String::new(),
            branch: None,
            branches: Vec::new(),
            also: Vec::new(),
            discover: Vec::new(),
            may_write: Vec::new(),
            history: HistoryLimits::default(),
            cache: std::path::PathBuf::from("/nonexistent"),
            access: crate::git::Access::default(),
            forge: None,
            pull_requests: crate::model::forge::PullLimits::default(),
            clusters: Vec::new(),
        })
    }

    #[tokio::test]
    async fn a_panic_costs_an_answer_and_no_repository() {
        let mut repositories: Vec<Repository> = ["a", "b", "c"].map(repository).into();
        for _ in 0..2 {
            let answers = on_each(&mut repositories, vec![1, 2, 3], |repository, piece| {
                assert!(repository.options.name != "b", "on purpose");
                format!("{}{piece}", repository.options.name)
            })
            .await;
            assert_eq!(answers, [Some("a1".to_owned()), None, Some("c3".to_owned())]);
            let names: Vec<&str> = repositories.iter().map(|one| one.options.name.as_str()).collect();
            assert_eq!(names, ["a", "b", "c"]);
        }
    }
}
