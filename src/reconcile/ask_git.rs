//! Answers a decision's questions about branches that no target reads, from Git.

use crate::model::names::{Branch, RepoPath};
use crate::model::tracked::RemoteBranch;
use crate::plan::{Question, Snapshot};
use crate::reconcile::Reconciler;
use crate::reconcile::repository::failure_of;
use crate::reconcile::workers::{defect, on_each};

impl Reconciler {
    /// Answers [`Question::File`] into the snapshot.
    pub(super) async fn answer_from_git(&mut self, questions: &[Question], snapshot: &mut Snapshot) {
        let asked = |name: &str| -> Vec<(Branch, RepoPath)> {
            let files = questions.iter().filter_map(|question| match question {
                Question::File(at, path) if at.repository == name => Some((at.branch.clone(), path.clone())),
                _ => None,
            });
            files.collect()
        };
        let pieces: Vec<Vec<(Branch, RepoPath)>> =
            self.repositories.iter().map(|repository| asked(&repository.options.name)).collect();
        if pieces.iter().all(Vec::is_empty) {
            return;
        }
        let answers = on_each(&mut self.repositories, pieces, |repository, files| {
            let answer = |(branch, path): (Branch, RepoPath)| {
                let state = repository.file_at(&branch, &path)?;
                Ok((RemoteBranch { repository: repository.options.name.clone(), branch }, path, state))
            };
            files.into_iter().map(answer).collect::<Result<Vec<_>, crate::git::GitError>>()
        })
        .await;
        for (repository, answer) in self.repositories.iter().zip(answers) {
            let name = &repository.options.name;
            match answer {
                Some(Ok(files)) => {
                    snapshot.files.extend(files.into_iter().map(|(at, path, state)| ((at, path), state)));
                }
                // Nothing is decided for a repository that failed, so nothing is asked again.
                Some(Err(error)) => drop(snapshot.repository_failures.insert(name.clone(), failure_of(name, &error))),
                None => drop(snapshot.repository_failures.insert(name.clone(), defect(name))),
            }
        }
    }
}
