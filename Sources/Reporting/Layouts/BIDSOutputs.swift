import Foundation
import Inference
import Volumes

/// `dwi/`: maps named and described as BIDS derivatives for diffusion (BEP016 draft), each with a JSON sidecar of the
/// same stem.
///
/// `<source entities>_model-<m>_param-<p>_desc-<d>_dwimap.nii.gz`, m being `bs` for ball and sticks and otherwise the
/// family's name. Directions are in the scanner frame (`Reference: xyz`); absent fibres are 0. A family of compartments
/// has maps of its own fractions and parameters (`FamilyQuantity`) in place of ball and sticks' diffusivity, and the
/// probability of each of its components.
public enum BIDSOutputs {
    static let folder = "dwi"

    private struct Map {
        var parameter: String, description: String, text: String
        var units = "", columns: [SummaryColumn] = []
        var axis: JSONValue?
        var more: [(key: String, value: JSONValue)] = []
    }

    static func jobs(_ context: OutputContext, includingDraws: Bool) -> [OutputJob] {
        var jobs: [OutputJob] = []
        let hasDraws = context.summary.metadata.hasDraws
        for map in maps(context) where hasDraws || map.columns.allSatisfy(\.isOfStructures) {
            let stem = stem(context, map.parameter, map.description)
            jobs.append(context.map(stem + ".nii.gz", map.columns))
            jobs.append(context.text(stem + ".json", sidecar(context, map).text))
        }
        let summary = context.summary
        let likeliest = Map(
            parameter: "nfibres", description: "map", text: "Most probable number of fibres (the smaller on a tie)")
        jobs.append(
            context.bytes(
                stem(context, "nfibres", "map") + ".nii.gz", meaning: .init(.label, window: 0...Double(context.fibres))
            ) { v in
                let column = summary.column(.likeliestFibreCount)
                return UInt8(column[column.startIndex + v])
            })
        jobs.append(context.text(stem(context, "nfibres", "map") + ".json", sidecar(context, likeliest).text))
        if includingDraws { jobs += draws(context) }
        jobs.append(context.text("dataset_description.json", BIDSDataset.description(context.provenance).text))
        return jobs
    }

    private static func orientation(_ type: String) -> JSONValue {
        ["EncodingAxis": 3, "Type": .string(type), "Reference": "xyz", "AntipodalSymmetry": true, "FillValue": 0.0]
    }

    private static func maps(_ context: OutputContext) -> [Map] {
        let n = context.fibres, metadata = context.summary.metadata
        let diffusivity: [(SummaryQuantity, String, String, String)] =
            !metadata.hasFibreColumns
            ? []
            : [
                (.diffusivity, "diffusivity", "mean diffusivity", "mm^2/s"),
                (
                    .spread, "dstd",
                    """
                    standard deviation of the gamma-distributed diffusivities, 0 where draws have a single \
                    diffusivity
                    """,
                    "mm^2/s"
                ),
            ]
        let scalars: [(SummaryQuantity, String, String, String)] =
            [
                (.s0, "s0", "signal without diffusion weighting", "arbitrary")
            ] + diffusivity + [
                (.snr, "snr", "signal-to-noise ratio S0/sigma", ""),
                (.noise, "sigma", "standard deviation of the noise, S0/SNR", "arbitrary"),
                (.fractionSum, "vfsum", "sum of the fibres' signal fractions", ""),
            ]
        let statistics: [(SummaryStatistic, String, String)] = [
            (.mean, "mean", "Posterior mean"), (.sd, "std", "Posterior standard deviation"),
            (.q05, "q05", "Posterior 5 % quantile"),
            (.q50, "q50", "Posterior median"), (.q95, "q95", "Posterior 95 % quantile"),
        ]
        var maps: [Map] = []
        for (statistic, label, words) in statistics {
            for (quantity, parameter, text, units) in scalars {
                maps.append(
                    Map(
                        parameter: parameter, description: label, text: "\(words) of: \(text)", units: units,
                        columns: [.statistic(quantity, statistic)]))
            }
            maps.append(
                Map(
                    parameter: "vf", description: label,
                    text:
                        """
                        \(words) of each fibre's signal fraction (0 in draws that lack it); fibres in order of \
                        falling mean fraction, matched across draws
                        """,
                    columns: (0..<n).map { .statistic(.fraction($0), statistic) }, axis: orientation("scalar")))
            for (i, name) in ownNames(metadata.quantities).enumerated() {
                let quantity = metadata.quantities[i]
                maps.append(
                    Map(
                        parameter: name, description: label, text: "\(words) of: \(text(of: quantity))",
                        units: quantity.unit,
                        columns: [.quantity(i, statistic)], more: [("Parameter", .string(quantity.name))]))
            }
        }
        maps.append(
            Map(
                parameter: "vector", description: "mean",
                text: "Each fibre's mean axis: principal eigenvector of the mean dyad over the draws that have it",
                columns: (0..<(3 * n)).map { .direction($0 / 3, axis: $0 % 3) }, axis: orientation("unit3vector")))
        maps.append(
            Map(
                parameter: "dispersion", description: "mean",
                text:
                    """
                    Each fibre's directional uncertainty: 1 minus the largest eigenvalue of the mean dyad (0 certain, \
                    2/3 uniform)
                    """,
                columns: (0..<n).map { .dispersion($0) }, axis: orientation("scalar")))
        maps.append(
            Map(
                parameter: "vf", description: "prob", text: "Share of posterior draws that have each fibre",
                columns: (0..<n).map { .presence($0) },
                axis: orientation("scalar")))
        maps.append(
            Map(
                parameter: "nfibres", description: "prob",
                text: "Posterior probability of 0, 1, ... fibres along the fourth axis",
                columns: (0...n).map { .fibreCount($0) }, more: [("FibreCounts", .array((0...n).map { .integer($0) }))])
        )
        maps.append(
            Map(
                parameter: "nfibres", description: "mean", text: "Posterior mean number of fibres",
                columns: [.expectedFibreCount]))
        if !metadata.components.isEmpty {
            maps.append(
                Map(
                    parameter: "component", description: "prob",
                    text:
                        """
                        Posterior probability of each component along the fourth axis; of components counted from 1, \
                        that there are at least so many
                        """,
                    columns: metadata.components.indices.map { .component($0) },
                    more: [("Components", .array(metadata.components.map { .string($0) }))]))
        }
        maps += named(metadata)
        // Which classes of structures occur differs from scan to scan: only single structures make maps that can be
        // compared.
        let structures = metadata.structures
        guard metadata.listsEveryStructure else { return maps }
        maps.append(
            Map(
                parameter: "structure", description: "prob",
                text: "Posterior probability of each model structure along the fourth axis",
                columns: (0..<structures.count).map { .structure($0) },
                more: [
                    ("Structures", .array(structures.rows.map { .string($0.name) })),
                    ("StructureParameterCounts", .array(structures.rows.map { .integer($0.parameterCount) })),
                ]))
        return maps
    }

    /// What the family's users have names for: how probable each model is, and each number that not all structures
    /// have.
    private static func named(_ metadata: PosteriorMetadata) -> [Map] {
        var maps: [Map] = []
        for (i, name) in ownNames(metadata.quantities).enumerated() {
            let quantity = metadata.quantities[i]
            guard quantity.kind == .named, !quantity.isEverywhere else { continue }
            maps.append(
                Map(
                    parameter: name, description: "prob",
                    text: "Posterior probability that the voxel has it at all: \(quantity.text)",
                    columns: [.quantityPresence(i)]))
        }
        guard !metadata.models.isEmpty else { return maps }
        maps.append(
            Map(
                parameter: "model", description: "prob",
                text: "Posterior probability of each named model along the fourth axis, and of all others",
                columns: (0...metadata.models.count).map { .model($0) },
                more: [("Models", .array((metadata.models + ["other"]).map { .string($0) }))]))
        return maps
    }

    private static func model(_ context: OutputContext) -> JSONValue {
        let metadata = context.summary.metadata
        let parameters: JSONValue = [
            "MaximumFibres": .integer(context.fibres), "Lambda": .number(context.summary.lambda),
            "Draws": .integer(context.sampleCount),
        ]
        guard !metadata.hasFibreColumns else {
            return [
                "Description": .string(
                    """
                    Ball-and-sticks: one isotropic compartment and 0 to \(context.fibres) fibres with a shared \
                    diffusivity
                    """
                ),
                "TermURL": "https://doi.org/10.1002/mrm.24204", "Parameters": parameters,
            ]
        }
        return ["Description": .string(ReportText.family(metadata)), "Parameters": parameters]
    }

    private static func sidecar(_ context: OutputContext, _ map: Map) -> JSONValue {
        let provenance = context.provenance
        var members: [(key: String, value: JSONValue)] = [
            ("Description", .string(map.text)), ("Model", model(context)),
        ]
        if !map.units.isEmpty { members.append(("Units", .string(map.units))) }
        if let axis = map.axis { members.append(("OrientationEncoding", axis)) }
        members += map.more
        let inference: JSONValue = [
            "Software": .string("\(provenance.software) \(provenance.version)"), "Engine": .string(provenance.engine),
            "Family": .string(provenance.family), "DrawLambda": .number(provenance.drawLambda),
            "Seed": .string("\(provenance.seed)"),
            "NetworkName": .string(provenance.networkName), "NetworkSHA256": .string(provenance.networkSHA256),
            "CommandLine": .array(provenance.commandLine.map { .string($0) }),
        ]
        members.append(("Sources", .array(provenance.sources.map { .string(withoutFolders($0)) })))
        members.append(("Inference", inference))
        return .object(members)
    }

    /// `desc-merged`: every draw, fibres matched; fractions N×R and polar angles 2N×R, the draws along axis 4.
    private static func draws(_ context: OutputContext) -> [OutputJob] {
        let n = context.fibres, s = context.sampleCount
        let fraction = Map(
            parameter: "vf", description: "merged", text: "Posterior draws of each fibre's signal fraction",
            axis: orientation("scalar"),
            more: [("BootstrapAxis", 4)])
        let polar = Map(
            parameter: "polar", description: "merged",
            text: "Posterior draws of each fibre's inclination from z and azimuth from x towards y",
            units: "rad", axis: orientation("unitspherical"), more: [("BootstrapAxis", 4)])
        let names = [fraction, polar].map { stem(context, $0.parameter, $0.description) }
        return [
            context.map(names[0] + ".nii.gz", trailing: [n, s]) { t, buffer in
                context.forEachDraw(t % n, t / n) { v, _, fraction in buffer[v] = fraction }
            },
            context.text(names[0] + ".json", sidecar(context, fraction).text),
            context.map(names[1] + ".nii.gz", trailing: [2 * n, s]) { t, buffer in
                context.forEachDraw(t % (2 * n) / 2, t / (2 * n)) { v, axis, _ in
                    // 0 is for absent fibres only.
                    buffer[v] = FSLOutputs.present(t % 2 == 0 ? FSLOutputs.inclination(axis) : FSLOutputs.azimuth(axis))
                }
            },
            context.text(names[1] + ".json", sidecar(context, polar).text),
        ]
    }
}
