import Diffusion
import ModelSpace

/// A number of a family's own that maps show, beside fibres, noise and S0, which all families have.
public struct FamilyQuantity: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// What share of the signal a group of components has, all its members together; 0 in draws that lack them.
        case fraction
        /// A parameter, of draws that have it; of several members the mean by their fractions.
        case parameter
        /// What users call so (`FamilyWords`), of draws whose structures have it.
        case named
        /// Of the voxel's water as a whole (`WaterDiffusion`): every draw has it.
        case diffusion
    }
    /// As in `FamilyTable`: odi, f_in; of a fraction the group's, as fraction_water.
    public var name: String
    public var kind: Kind
    /// The group that it belongs to, empty for what all structures share; and the unit.
    public var group: String, unit: String
    /// Of a number with bounds, where they are: what a colour scale spans.
    public var range: ClosedRange<Double>?
    /// Of a named one, and of diffusion, what it is; and whether every structure has it.
    public var text = "", isEverywhere = false

    /// Whether every draw has it, whatever its structure.
    var isInEveryDraw: Bool { kind == .fraction || kind == .diffusion }

    package init(name: String, kind: Kind, group: String, unit: String, range: ClosedRange<Double>? = nil) {
        (self.name, self.kind, self.group, self.unit, self.range) = (name, kind, group, unit, range)
    }
}

/// Reads them, and a structure's components, from draws of an archive. Ball and sticks has none: its numbers are those
/// of `DrawColumn`.
package struct FamilyQuantities: Sendable {
    package let list: [FamilyQuantity]
    /// Names of the bits of a structure that are components: bundle1, water, tied.
    package let components: [String]
    /// What users call some structures.
    package let models: [String]
    private let words: FamilyWords, rule: StructureRule?

    private indirect enum Source: Sendable {
        /// The sum of these numbers, or what these leave of 1.
        case sum([Int]), rest([Int])
        /// A number; the same of several members, with their fractions.
        case number(Int), members([(value: Int, weight: Int?)])
        /// Of the draw's water, not of a number that it has.
        case diffusion(DiffusionNumber)
        /// What each case of the n-th named quantity is made of.
        case named(Int, [(expression: FamilyExpression<Int>, of: [(source: Source, factor: Float)])])
    }
    private enum DiffusionNumber: Sendable { case mean, anisotropy, microscopic }
    private let sources: [Source], factors: [Float]
    /// Which compartments a structure's signal has, and the pulses' timing; nil where that is not known.
    private let compartments: (composition: FamilyComposition, theta: ThetaLayout, timing: PulseTiming?)?

    /// Whether it has what `StructureDiffusion` says of draws.
    package var hasDiffusion: Bool { compartments != nil }

    /// - Parameters:
    ///   - scales: by what numbers are multiplied when they are stored.
    ///   - composition: nil where it is not known which compartments the family has: of their tensors nothing is said.
    ///   - timing: of the pulses, without which nothing is said of restricted compartments.
    ///   - isFibresAlone: whether the family's numbers are those of `DrawColumn`.
    init(
        _ family: FamilyDescription, _ rule: StructureRule, _ theta: ThetaLayout, _ scales: [Double],
        words: FamilyWords, composition: FamilyComposition?, timing: PulseTiming?, isFibresAlone: Bool
    ) throws {
        guard !isFibresAlone else {
            (list, components, sources, factors, models, self.words, self.rule) = ([], [], [], [], [], .none, nil)
            compartments = nil
            return
        }
        var list: [FamilyQuantity] = [], sources: [Source] = [], factors: [Float] = []
        func add(_ quantity: FamilyQuantity, _ source: Source, scale: Double = 1) {
            list.append(quantity)
            sources.append(source)
            factors.append(Float(1 / scale))
        }
        func places(_ group: ComponentGroup, _ parameter: Parameter) -> [Int] {
            (0..<group.most).compactMap { theta.offset(of: parameter.name, in: group.name, member: $0) }
        }
        let weights = family.groups.flatMap { group in
            group.parameters.filter { if case .weight = $0.chart { true } else { false } }.flatMap { places(group, $0) }
        }
        func share(_ group: ComponentGroup) -> Source {
            group.takesRest
                ? .rest(weights) : .sum(group.parameters.filter(\.isLinear).flatMap { places(group, $0) })
        }
        func leaf(_ word: String) throws -> (source: Source, factor: Float) {
            switch try FamilyWords.leaf(word, family) {
            case .fraction(let group): return (share(group), 1)
            case .parameter(let p, let group):
                let first = theta.offset(of: p.name, in: group?.name ?? "", member: 0)!,
                    factor = Float(1 / scales[first])
                guard let group, group.most > 1, !group.common.contains(p) else { return (.number(first), factor) }
                let weight = group.parameters.first(where: \.isLinear).map { places(group, $0) }
                return (.members(places(group, p).enumerated().map { ($1, weight?[$0]) }), factor)
            }
        }
        let every = rule.all()
        for (n, named) in words.quantities.enumerated() {
            var quantity = FamilyQuantity(
                name: named.name, kind: .named, group: "", unit: named.unit,
                range: named.range.map { $0[0]...$0[1] })
            quantity.text = named.text
            quantity.isEverywhere = every?.allSatisfy { words.cases(of: $0, rule)[n] != nil } ?? false
            add(
                quantity,
                .named(
                    n,
                    try named.cases.map { c in
                        let leaves = c.value.leaves
                        return (c.value.mapped { .parameter(leaves.firstIndex(of: $0)!) }, try leaves.map(leaf))
                    }))
        }
        let isKnown = composition.map { $0.timedComponents.isEmpty || timing != nil } ?? false
        compartments = isKnown ? (composition!, theta, timing) : nil
        for (quantity, number) in isKnown ? Self.diffusion : []
        where !list.contains(where: { $0.name == quantity.name }) {
            add(quantity, .diffusion(number))
        }
        let taken = Set(list.map(\.name))
        for group in family.groups {
            let own = group.parameters.filter(\.isLinear).flatMap { places(group, $0) }
            let fraction = FamilyQuantity(
                name: "fraction_" + group.name, kind: .fraction, group: group.name, unit: "", range: 0...1)
            if group.takesRest {
                add(fraction, share(group))
            } else if !own.isEmpty, own.allSatisfy(weights.contains) {
                add(fraction, share(group))
            }
        }
        for entry in theta.entries where entry.member == 0 && entry.group != family.noise.name {
            let p = entry.parameter
            // What users call so too is shown once.
            guard p.width == 1, p.dimension == 1, !p.isLinear, !taken.contains(p.name) else { continue }
            let range: ClosedRange<Double>? =
                switch p.chart {
                case let .uniform(low, high), let .logUniform(low, high): p.relativeTo == nil ? low...high : nil
                default: nil
                }
            let quantity = FamilyQuantity(
                name: theta.isToldByGroup(entry) ? "\(entry.group)_\(p.name)" : p.name, kind: .parameter,
                group: entry.group, unit: p.unit, range: range)
            let scale = scales[entry.offset]
            guard let group = family.groups.first(where: { $0.name == entry.group }), group.most > 1,
                !group.common.contains(p)
            else {
                add(quantity, .number(entry.offset), scale: scale)
                continue
            }
            let weight = group.parameters.first(where: \.isLinear).map { places(group, $0) }
            add(quantity, .members(places(group, p).enumerated().map { ($1, weight?[$0]) }), scale: scale)
        }
        (self.list, self.sources, self.factors) = (list, sources, factors)
        components = family.groups.flatMap(\.bitNames)
        models = words.models.map(\.name)
        (self.words, self.rule) = (words, rule)
    }

    private static let diffusion: [(FamilyQuantity, DiffusionNumber)] = {
        func quantity(_ name: String, _ text: String, unit: String = "", range: ClosedRange<Double>?) -> FamilyQuantity
        {
            var quantity = FamilyQuantity(name: name, kind: .diffusion, group: "", unit: unit, range: range)
            (quantity.text, quantity.isEverywhere) = (text, true)
            return quantity
        }
        return [
            (quantity("md", "mean diffusivity of the voxel's water at low b", unit: "mm^2/s", range: nil), .mean),
            (
                quantity(
                    "fa", "fractional anisotropy of the tensor of the voxel's water at low b", range: 0...1),
                .anisotropy
            ),
            (
                quantity(
                    "ufa", "microscopic fractional anisotropy: of the water's parts, whatever their directions",
                    range: 0...1), .microscopic
            ),
        ]
    }()

    /// What reads the diffusion of a structure's draws.
    /// - Precondition: `hasDiffusion`.
    package func diffusion(of z: Structure) -> StructureDiffusion {
        let (composition, theta, timing) = compartments!
        return StructureDiffusion(composition, rule!, theta, z, timing: timing)
    }

    /// Which of them the draws of a structure have, and in which way of several: nil of those that they lack.
    /// - Parameter columns: the numbers that they have, rising (`DrawLayout.columns`).
    func ways(of z: Structure, _ columns: [Int]) -> [Int?] {
        guard let rule else { return [] }
        let cases = words.cases(of: z, rule)
        return sources.map { source in
            switch source {
            case .sum, .rest, .diffusion: 0
            case .number(let place): columns.contains(place) ? 0 : nil
            case .members(let members): columns.contains(members[0].value) ? 0 : nil
            case .named(let n, _): cases[n]
            }
        }
    }

    /// Which named models a structure is; the last for those that are none.
    func models(of z: Structure) -> [Bool] {
        guard let rule, !models.isEmpty else { return [] }
        let known = words.models(of: z, rule)
        return known + [!known.contains(true)]
    }

    /// A quantity of one draw that has it.
    /// - Parameters:
    ///   - way: of several (`ways`).
    ///   - water: the draw's, where there are quantities of it (`DrawDiffusion`).
    package func value(
        _ i: Int, _ row: UnsafePointer<Float>, way: Int = 0, water: WaterDiffusion = WaterDiffusion()
    ) -> Float {
        if case .diffusion(let number) = sources[i] {
            return switch number {
            case .mean: Float(water.meanDiffusivity)
            case .anisotropy: Float(water.anisotropy)
            case .microscopic: Float(water.microscopicAnisotropy)
            }
        }
        let value = Self.value(sources[i], row, way) * factors[i]
        // Shares of shares leave their range by the rounding of stored draws.
        guard list[i].kind == .named, let range = list[i].range else { return value }
        return min(max(value, Float(range.lowerBound)), Float(range.upperBound))
    }

    private static func value(_ source: Source, _ row: UnsafePointer<Float>, _ way: Int) -> Float {
        switch source {
        case .sum(let places): return places.reduce(0) { $0 + row[$1] }
        case .rest(let places): return max(0, 1 - places.reduce(0) { $0 + row[$1] })
        case .number(let place): return row[place]
        case .diffusion: preconditionFailure("no number of θ")
        case let .named(_, cases):
            let parts = cases[way].of
            return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, parts.count)) { numbers in
                for (k, part) in parts.enumerated() {
                    numbers[k] = Double(value(part.source, row, 0) * part.factor)
                }
                let value = Float(cases[way].expression.value(of: UnsafePointer(numbers.baseAddress!)))
                return value.isFinite ? value : 0
            }
        case .members(let members):
            var sum: Float = 0, total: Float = 0
            for (value, weight) in members {
                // A member that is not there has no weight; without weights, all its numbers are 0.
                let share = weight.map { row[$0] } ?? (row[value] == 0 ? 0 : 1)
                sum += share * row[value]
                total += share
            }
            return total > 0 ? sum / total : 0
        }
    }
}
