import Diffusion
import Foundation
import Inference
import ModelSpace

/// What a family's posteriors are asked about in simulation-based calibration: functions of (z, θ, y), one rank each.
///
/// Joint quantities are defined for every structure (what it lacks is 0, a direction that it lacks shares the last
/// place); conditional ones for draws of the true structure only, where it has them. Directions enter in two ways that
/// no choice of axes or signs can bias:
///
///     reference   |μ·r|, r an axis drawn at random for each voxel
///     cone        −|μ·μ̄|, μ̄ the leading eigenvector of Σ μμᵀ over all L + 1 of truth and draws, so that these stay
///     exchangeable
///
/// A rotation stands for the first and the third axis of its frame. The log-likelihood as a quantity sees faults that
/// all parameters miss.
/// - Source: Modrák et al., Bayesian Analysis 20 (2025), "Simulation-based calibration checking … the importance of
///   test quantities".
struct CalibrationQuantities: Sendable {
    /// A quantity's name, the words for it, and whether it is a cone.
    struct Label { var name: String, text: String, isCone = false }
    /// θ and its structure.
    typealias Item = (theta: [Double], z: Structure)

    let joint: [Label], conditional: [Label]
    private let family: StudyFamily
    private let scalars: [ThetaLayout.Entry], jointScalars: [Int], axes: [StudyAxis],
        heaviest: [(weight: Int, axis: StudyAxis)]
    /// Of the shares that the family's maps show: the numbers of θ that they add up.
    private let shares: [[Int]]
    private let hasSum: Bool

    init(_ family: StudyFamily) {
        self.family = family
        let scalars = family.scalars, description = family.description,
            groups = Dictionary(uniqueKeysWithValues: description.groups.map { ($0.name, $0) })
        self.scalars = scalars
        let fractions = family.draws.quantities.list.filter {
            $0.kind == .fraction && groups[$0.group]?.takesRest == false
        }
        shares = fractions.map { quantity in
            family.theta.entries.filter { $0.group == quantity.group && $0.parameter.isLinear }.map(\.offset)
        }
        // The share of a group of one is its fraction.
        let told = Set(shares.filter { $0.count == 1 }.flatMap { $0 })
        jointScalars = scalars.indices.filter { !told.contains(scalars[$0].offset) }
        hasSum = family.hasRest && !family.weights.isEmpty
        let axes = family.axes
        self.axes = axes.map(\.axis)
        let axisLabels = axes.flatMap { entry, axis -> [Label] in
            var name = family.name(entry), text = Self.text(entry, family)
            if let column = axis.column {
                name += "_\(column + 1)"
                text = (column == 0 ? "first" : "last") + " axis of \(Self.owner(entry, groups[entry.group]))"
            }
            return [Label(name: name, text: text), Label(name: name + "_cone", text: text + ", cone", isCone: true)]
        }
        let heaviest = description.groups.compactMap { group -> (weight: Int, axis: StudyAxis, name: String)? in
            guard let axis = group.fibreAxis, let weight = group.parameters.first(where: \.isLinear) else { return nil }
            // Members stand in the order of falling weight.
            let entry = family.theta.entries.first {
                $0.group == group.name && $0.parameter.name == axis && $0.member == 0
            }!
            let own = StudyAxis(place: entry.offset, column: entry.parameter.chart == .rotation ? 0 : nil)
            return (family.theta.offset(of: weight.name, in: group.name)!, own, family.name(entry))
        }
        self.heaviest = heaviest.map { ($0.weight, $0.axis) }
        func label(_ entry: ThetaLayout.Entry) -> Label {
            Label(name: family.name(entry), text: Self.text(entry, family))
        }
        let likelihood = Label(name: "loglik", text: "log-likelihood"),
            sum = Label(name: "fsum", text: "sum of fractions")
        let ends = (hasSum ? [sum] : []) + [likelihood]
        var joint = [Label(name: "fibres", text: "number of fibres")]
        joint += family.noises.map { Label(name: $0.name, text: "noise: \($0.name.capitalized) or not") }
        joint += family.components.map { Label(name: "has_" + $0.name, text: "\($0.name): there or not") }
        joint += fractions.map {
            Label(name: $0.name, text: "fraction of \($0.group)\(groups[$0.group]!.most > 1 ? ", all" : "")")
        }
        joint += jointScalars.map { label(scalars[$0]) } + ends
        if let first = heaviest.first {
            let name = heaviest.count == 1 ? first.name : "axis1"
            joint += [
                Label(name: name, text: "direction 1"),
                Label(name: name + "_cone", text: "direction 1, cone", isCone: true),
            ]
        }
        self.joint = joint
        conditional = scalars.map(label) + ends + axisLabels
    }

    /// Words for names that all families share, or whose meaning everybody in the field knows.
    private static let words = ["d": "diffusivity d", "s": "spread of diffusivity s", "snr": "SNR", "s0": "S0"]

    private static func owner(_ entry: ThetaLayout.Entry, _ group: ComponentGroup?) -> String {
        (group?.most ?? 1) > 1 ? "\(entry.group) \(entry.member + 1)" : entry.group
    }

    private static func text(_ entry: ThetaLayout.Entry, _ family: StudyFamily) -> String {
        let parameter = entry.parameter, group = family.description.allGroups.first { $0.name == entry.group }
        let word =
            parameter.isLinear
            ? "fraction" : parameter.chart == .axis ? "direction" : words[parameter.name] ?? parameter.name
        if family.theta.isToldByGroup(entry) { return "\(word) of \(owner(entry, group))" }
        let isOwn = (group?.most ?? 1) > 1 && group?.parameters.contains(parameter) == true
        return isOwn ? "\(word) \(entry.member + 1)" : word
    }

    /// Ranks of the truth in the order of `joint`.
    /// - Parameters:
    ///   - items: θ and structure of the truth, then of the draws.
    func jointRanks(
        _ items: [Item], _ y: UnsafePointer<Float>, _ acquisition: Acquisition, using random: inout RandomSource
    ) -> [Int?] {
        let reference = DirectionSets.uniform(using: &random)
        var values = [items.map { Double(family.fibreCount($0.z)) }]
        for bit in family.noises + family.components { values.append(items.map { bit.isThere($0.z) ? 1.0 : 0 }) }
        for places in shares { values.append(items.map { sum($0, places) }) }
        values += jointScalars.map { scalar(scalars[$0], items) } + ends(items, y, acquisition)
        if !heaviest.isEmpty {
            values += axisValues(
                items.map { item in
                    var best: (weight: Double, axis: StudyAxis)?
                    let has = family.presence(item.z)
                    for fibre in heaviest where has[fibre.axis.place] {
                        if item.theta[fibre.weight] > best?.weight ?? -.infinity {
                            best = (item.theta[fibre.weight], fibre.axis)
                        }
                    }
                    return best.map { $0.axis.direction(item.theta) }
                }, reference)
        }
        return values.map { CalibrationStatistics.rank(of: $0[0], among: Array($0.dropFirst()), using: &random) }
    }

    /// Ranks of the truth in the order of `conditional`, all items having the same structure; nil for what it lacks.
    func conditionalRanks(
        _ items: [Item], _ y: UnsafePointer<Float>, _ acquisition: Acquisition, using random: inout RandomSource
    ) -> [Int?] {
        let has = family.presence(items[0].z), reference = DirectionSets.uniform(using: &random)
        let weights = family.weights.count { has[$0] }
        var values = scalars.map { entry -> [Double]? in
            // The only component of a structure is all of it.
            let isFree = !entry.parameter.isLinear || family.hasRest || weights > 1
            return has[entry.offset] && isFree ? scalar(entry, items) : nil
        }
        let ends: [[Double]?] = ends(items, y, acquisition)
        values += hasSum && weights < 2 ? [nil] + ends.dropFirst() : ends
        for axis in axes {
            values += has[axis.place] ? axisValues(items.map { axis.direction($0.theta) }, reference) : [nil, nil]
        }
        return values.map { x in
            x.map { CalibrationStatistics.rank(of: $0[0], among: Array($0.dropFirst()), using: &random) }
        }
    }

    private func scalar(_ entry: ThetaLayout.Entry, _ items: [Item]) -> [Double] {
        entry.parameter.isLinear ? items.map { sum($0, [entry.offset]) } : items.map { $0.theta[entry.offset] }
    }

    /// Fractions added up. Where no component takes what they leave of 1, rounding alone would tell all of it from all
    /// of it.
    private func sum(_ item: Item, _ places: [Int]) -> Double {
        let total = places.dropFirst().reduce(item.theta[places[0]]) { $0 + item.theta[$1] }
        return family.hasRest ? total : (total * 1e6).rounded() / 1e6
    }

    /// Sum of fractions (where it is free), log-likelihood: one row a quantity, one column an item.
    private func ends(_ items: [Item], _ y: UnsafePointer<Float>, _ acquisition: Acquisition) -> [[Double]] {
        var scratch = [Float](repeating: 0, count: acquisition.count)
        let likelihood = items.map { item in
            item.theta.withUnsafeBufferPointer { theta in
                let z = item.z
                family.family.attenuations(theta.baseAddress!, z, acquisition, into: &scratch)
                return acquisition.logLikelihood(
                    y, attenuations: scratch, s0: theta[family.s0], snr: theta[family.snr], family.family.noise(z))
            }
        }
        return (hasSum ? [items.map { sum($0, family.weights) }] : []) + [likelihood]
    }

    /// Reference and cone quantities of an axis; −1 and +1 where it is absent.
    private func axisValues(_ axes: [SIMD3<Double>?], _ reference: SIMD3<Double>) -> [[Double]] {
        var dyad = SymmetricMatrix3()
        for case let axis? in axes { dyad.add(axis, weight: 1) }
        let mean = dyad.largest().vector
        return [
            axes.map { $0.map { abs(($0 * reference).sum()) } ?? -1 },
            axes.map { $0.map { -abs(($0 * mean).sum()) } ?? 1 },
        ]
    }
}
