//! A snapshot as a graph for Graphviz.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::{Inspection, SessionInfo};
use crate::{Name, SessionId};

impl Inspection {
    /// The sessions as a graph in the language of Graphviz: the tree in solid lines, the queued events in dashed ones, and
    /// beside each session what keeps it alive.
    ///
    /// ```
    /// let dot = poe_kernel::Kernel::new()?.inspect().to_dot();
    /// assert!(dot.starts_with("digraph poe {"));
    /// # Ok::<(), poe_kernel::KernelError>(())
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        Graph(self).to_string()
    }
}

struct Graph<'a>(&'a Inspection);

impl fmt::Display for Graph<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(inspection) = self;
        writeln!(f, "digraph poe {{")?;
        writeln!(f, "  node [shape=box fontname=\"monospace\"]")?;
        let kernel = Label(&[format!("kernel {}", inspection.id)]).to_string();
        writeln!(f, "  s0 [label=\"{kernel}\" shape=ellipse]")?;
        for info in &inspection.sessions {
            writeln!(f, "  {} [label=\"{}\"]", Node(info.session), Label(&lines(info)))?;
            writeln!(f, "  {} -> {}", Node(info.parent), Node(info.session))?;
        }
        let mut queued: BTreeMap<(SessionId, SessionId, Name), u32> = BTreeMap::new();
        for event in &inspection.queue {
            *queued.entry((event.sender, event.session, event.event)).or_default() += 1;
        }
        for ((sender, session, event), count) in queued {
            let times = if count == 1 { String::new() } else { format!(" ×{count}") };
            let label = Label(&[format!("{event}{times}")]).to_string();
            writeln!(
                f,
                "  {} -> {} [label=\"{label}\" style=dashed]",
                Node(sender),
                Node(session)
            )?;
        }
        writeln!(f, "}}")
    }
}

fn lines(info: &SessionInfo) -> Vec<String> {
    let mut lines = vec![format!("session {info}"), info.type_name.to_owned()];
    lines.extend(info.state.map(|state| format!("in state \"{state}\"")));
    lines.extend(info.reasons.iter().map(|reason| reason.cause.to_string()));
    lines
}

/// The name of a session's node.
struct Node(SessionId);

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0.number())
    }
}

/// Lines of text inside the quotes of a label.
struct Label<'a>(&'a [String]);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0 {
            for character in line.chars() {
                match character {
                    '"' | '\\' => write!(f, "\\{character}")?,
                    // Graphviz reads entities.
                    '&' => f.write_str("&amp;")?,
                    _ if character.is_control() => f.write_char(' ')?,
                    _ => f.write_char(character)?,
                }
            }
            f.write_str("\\l")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_reads_as_what_it_says() {
        let lines = ["a \"b\\n\" &lt; &str".to_owned(), "two\nlines\0".to_owned()];
        let label = Label(&lines).to_string();
        assert_eq!(label, r#"a \"b\\n\" &amp;lt; &amp;str\ltwo lines \l"#);
    }
}
