//! The plugins inside this program, built from `plugins/` by the build script.

/// A component and its digest, as they were when this program was built.
pub struct BuiltinPlugin {
    /// As in its manifest.
    pub name: &'static str,
    /// 64 lowercase hex digits, of the component.
    pub sha256: &'static str,
    /// The component, with its manifest.
    pub component: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// The built-in plugin of that name.
pub fn find(name: &str) -> Option<&'static BuiltinPlugin> {
    BUILTIN.iter().find(|plugin| plugin.name == name)
}
