//! How plain scalars are read as values by YAML 1.1 (as Go resolves it) and YAML 1.2 core.

/// Tells whether a plain scalar is a null for any reader.
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
