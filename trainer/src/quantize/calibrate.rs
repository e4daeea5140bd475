pub fn calibrate(_: &crate::network::Plan, _: &crate::model::FloatNetwork, _: &[&[u8]]) -> anyhow::Result<Vec<super::LayerScheme>> { anyhow::bail!("later") }
