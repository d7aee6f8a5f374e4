//! The contract as wit-bindgen generates it. The public modules of this crate re-export it with what authors need beside it.

wit_bindgen::generate!({
    path: "../wit/0.1.0",
    world: "operation",
    pub_export_macro: true,
    default_bindings_module: "orchestrator_sdk::bindings",
    additional_derives: [PartialEq],
    additional_derives_ignore: ["step"],
});
