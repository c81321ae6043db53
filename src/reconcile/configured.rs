//! Problems of Applications that repin.yaml defines: their place is that file.

use crate::model::application::PREFIX;
use crate::model::problem::Problem;

/// Turns a problem of an Application of repin.yaml into one of that file, where keys have no prefix.
pub(super) fn in_configuration(problem: &mut Problem, file: &str) {
    problem.file = Some(file.to_owned());
    problem.hint = problem.hint.take().map(|hint| hint.replace(PREFIX, ""));
}

/// Names the configuration in problems of annotations that stand there.
pub(super) fn place(problems: &mut [Problem], file: &str) {
    let is_there = |problem: &&mut Problem| problem.file.is_none() && problem.code.starts_with("annotation/");
    problems.iter_mut().filter(is_there).for_each(|problem| in_configuration(problem, file));
}
