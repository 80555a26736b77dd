//! What nodes, weights and tables must be for a scheme to work with them: each
//! refusal says why, since a wrong guess here would scatter data.

use std::collections::HashMap;

use crate::{
    error::{Error, Result},
    place::{MOST_NODES, Node, Owner},
    scheme::{Layout, Names, Weights},
};

/// The number of a node in a scheme that numbers them: not `node_01` or
/// `node_+1`, which would be other names.
pub(crate) fn number(prefix: &str, name: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let number = digits.parse().ok()?;
    (digits == u32::to_string(&number)).then_some(number)
}

/// Names must differ, and be what the scheme reckons with.
pub(crate) fn check_names(scheme: &str, rule: Names, nodes: &[Node]) -> Result<()> {
    if nodes.is_empty() {
        return Err(Error::placement(
            "there are no nodes; a placement needs at least one",
        ));
    }
    if nodes.len() > MOST_NODES {
        return Err(Error::placement(format!(
            "{} nodes are more than the {MOST_NODES} that a placement holds",
            nodes.len()
        )));
    }
    let mut seen = HashMap::new();
    for (position, node) in nodes.iter().enumerate() {
        if let Some(first) = seen.insert(node.name.as_str(), position) {
            return Err(Error::placement(format!(
                "nodes {first} and {position} are both named \"{}\"; a name stands for one node, \
                 and its keys would be split between two",
                node.name
            )));
        }
    }
    match rule {
        Names::Any => Ok(()),
        Names::Given(reason) => match nodes.iter().find(|node| !node.named) {
            None => Ok(()),
            Some(node) => Err(Error::placement(format!(
                "the node at {} has no name: {reason}; give each node that as its name",
                node.name
            ))),
        },
        Names::Numbered(prefix) => {
            let missing = (1..=nodes.len())
                .find(|wanted| !seen.contains_key(format!("{prefix}{wanted}").as_str()));
            match missing {
                None => Ok(()),
                Some(missing) => Err(Error::placement(format!(
                    "{scheme} reckons with nodes named {prefix}1 to {prefix}{}, but there is no \
                     {prefix}{missing}; the number in the name is what keys are placed by",
                    nodes.len()
                ))),
            }
        }
    }
}

/// Beyond these no share can be told from none, or from all.
const LEAST_WEIGHT: f64 = 0.001;
const MOST_WEIGHT: f64 = 1_000_000.0;

/// The weight of each node, given or default.
pub(crate) fn weights(scheme: &str, rule: Weights, nodes: &[Node]) -> Result<Vec<f64>> {
    let default = match rule {
        Weights::Unknown => 1.0,
        Weights::Whole(default) | Weights::Positive(default) => default,
    };
    for node in nodes {
        let Some(weight) = node.weight else { continue };
        if !(LEAST_WEIGHT..=MOST_WEIGHT).contains(&weight) {
            return Err(Error::placement(format!(
                "the weight of node \"{}\" is {weight}; a weight is a positive number, from \
                 {LEAST_WEIGHT} to {MOST_WEIGHT}",
                node.name
            )));
        }
        if matches!(rule, Weights::Whole(_)) && weight.fract() != 0.0 {
            return Err(Error::placement(format!(
                "the weight of node \"{}\" is {weight}; {scheme} has whole weights only",
                node.name
            )));
        }
    }
    let weights: Vec<f64> = nodes
        .iter()
        .map(|node| node.weight.unwrap_or(default))
        .collect();
    if rule == Weights::Unknown
        && weights
            .windows(2)
            .any(|pair| pair[0].to_bits() != pair[1].to_bits())
    {
        return Err(Error::placement(format!(
            "the scheme \"{scheme}\" ignores weights, but the nodes have different ones; leave \
             them out, or choose a scheme that has weights, such as slots"
        )));
    }
    Ok(weights)
}

/// Every node must have a share of slots worth the name: with fewer the load
/// cannot be even, and finding it takes long.
pub(crate) fn check_share(nodes: &[Node], slots: u16) -> Result<()> {
    const LEAST: u16 = 8;
    let most = usize::from(slots / LEAST);
    if nodes.len() > most {
        return Err(Error::placement(format!(
            "{} nodes are more than the {most} that {slots} slots are shared among",
            nodes.len()
        )));
    }
    Ok(())
}

/// A table must give every slot to a node there is.
pub(crate) fn check_table(
    scheme: &str,
    layout: Layout,
    nodes: &[Node],
    table: &[Owner],
) -> Result<Vec<Owner>> {
    let (Layout::Slots(slots) | Layout::SlotTable(slots)) = layout else {
        return Err(Error::placement(format!(
            "the scheme \"{scheme}\" has no slots for a table"
        )));
    };
    if table.len() != usize::from(slots) {
        return Err(Error::placement(format!(
            "the table has {} slots, but the scheme \"{scheme}\" has {slots}",
            table.len()
        )));
    }
    match table
        .iter()
        .position(|owner| usize::from(*owner) >= nodes.len())
    {
        Some(slot) => Err(Error::placement(format!(
            "the table leaves slot {slot} without a node"
        ))),
        None => Ok(table.to_vec()),
    }
}
