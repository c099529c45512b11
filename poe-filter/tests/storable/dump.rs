//! Values in a short notation.

use poe_filter::storable::{Kind, Node, Value};

/// The root in a notation near Perl's: octets in double quotes, text in single ones, what is within
/// itself as `^`.
pub(crate) fn dump(value: &Value) -> String {
    let mut out = String::new();
    dump_node(value.root(), &mut Vec::new(), &mut out);
    out
}

fn dump_node<'a>(node: Node<'a>, above: &mut Vec<Node<'a>>, out: &mut String) {
    if above.iter().any(|one| one.is_same(node)) {
        out.push('^');
        return;
    }
    above.push(node);
    if let Some(class) = node.class() {
        *out += &format!("{class}=");
    }
    match node.kind() {
        Kind::Undef => *out += "undef",
        Kind::Boolean(truth) => *out += if truth { "true" } else { "false" },
        Kind::Integer(number) => *out += &number.to_string(),
        Kind::Double(number) => *out += &format!("{number:?}"),
        Kind::Octets(octets) => *out += &format!("\"{}\"", octets.escape_ascii()),
        Kind::Text(text) => *out += &format!("'{text}'"),
        Kind::LaxText(octets) => *out += &format!("lax'{}'", octets.escape_ascii()),
        Kind::Regexp { pattern, modifiers } => {
            *out += &format!("/{}/{}", pattern.escape_ascii(), modifiers.escape_ascii());
        }
        Kind::Reference(to) => {
            out.push('\\');
            dump_node(to, above, out);
        }
        Kind::WeakReference(to) => {
            *out += "weak\\";
            dump_node(to, above, out);
        }
        Kind::Array(_) => {
            out.push('[');
            for (index, element) in node.elements().enumerate() {
                *out += if index > 0 { "," } else { "" };
                dump_node(element, above, out);
            }
            out.push(']');
        }
        Kind::Hash(_) => {
            out.push('{');
            for (index, (key, element)) in node.pairs().enumerate() {
                *out += if index > 0 { "," } else { "" };
                *out += &format!("{}=>", key.to_text());
                dump_node(element, above, out);
            }
            out.push('}');
        }
        _ => *out += "?",
    }
    above.pop();
}
