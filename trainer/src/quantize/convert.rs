pub fn convert(_: &crate::model::FloatNetwork, _: &[super::LayerScheme]) -> anyhow::Result<crate::model::QuantizedNetwork> { anyhow::bail!("later") }
