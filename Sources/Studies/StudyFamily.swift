import Diffusion
import Inference
import ModelSpace

/// A family as studies ask about it: its structures by their places in the list, and what each of them has.
///
/// Shapes: Z structures, P numbers of θ.
struct StudyFamily: Sendable {
    let family: any DiffusionFamily
    let theta: ThetaLayout
    /// How archives see its draws.
    let draws: DrawLayout
    /// Z rows, one a structure.
    let table: StructureTable
    /// Which of the P numbers each structure has.
    let presence: [[Bool]]
    /// Places in θ of s0 and of the signal-to-noise ratio.
    let s0: Int, snr: Int
    /// Bits of the noise, with whether each structure has them; and those of components, where maps show these.
    let noises: [Bit], components: [Bit]

    struct Bit: Sendable { var name: String, isThere: [Bool] }

    init(_ family: any DiffusionFamily) {
        self.family = family
        let description = family.description, layout = ThetaLayout(description),
            structures = family.structureSpace.structures
        theta = layout
        // A family that there is has passed its checks.
        do { draws = try DrawLayout(description) } catch { preconditionFailure("\(error)") }
        let rule = draws.rule
        table = StructureTable(
            rows: structures.map { z in
                var row = StructureTable.Row(z, rule)
                // Outputs draw three; here all count.
                row.fibreCount = rule.fibreCount(z)
                return row
            })
        presence = structures.map { z in
            var has = [Bool](repeating: false, count: layout.count)
            for place in rule.places(of: z, in: layout) { has[place] = true }
            return has
        }
        let noise = layout.noise(description)
        (s0, snr) = (noise.scale!, noise.level!)
        func bits(_ names: [String]) -> [Bit] {
            names.map { name in
                let c = description.bitNames.firstIndex(of: name)!
                return Bit(name: name, isThere: structures.map { $0[c] })
            }
        }
        noises = bits(description.noise.bitNames)
        components = bits(draws.quantities.components)
    }

    var description: FamilyDescription { family.description }
    /// P.
    var count: Int { theta.count }
    /// The name of a parameter of one member: d, f1, mu2.
    func name(_ entry: ThetaLayout.Entry) -> String {
        let first = theta.names[entry.offset]
        return entry.parameter.width == 1 ? first : String(first.dropLast())
    }

    /// Parameters that are one number and not known beforehand, in the order of θ.
    var scalars: [ThetaLayout.Entry] { theta.entries.filter { $0.parameter.width == 1 && $0.parameter.dimension == 1 } }
    /// Places of fractions; and whether a component has what they leave of 1, so that they are free.
    var weights: [Int] { theta.entries.filter(\.parameter.isLinear).map(\.offset) }
    var hasRest: Bool { description.groups.contains(where: \.takesRest) }

    /// P(component), from Z structure probabilities.
    func componentProbabilities(_ p: [Double]) -> [Double] {
        components.map { bit in zip(bit.isThere, p).reduce(0) { $0 + ($1.0 ? $1.1 : 0) } }
    }
}

extension StructureTable {
    /// P(n fibres), n = 0 to the most of any structure, from Z structure probabilities.
    func fibreProbabilities(_ p: [Double]) -> [Double] {
        var sums = [Double](repeating: 0, count: (rows.map(\.fibreCount).max() ?? 0) + 1)
        for (row, x) in zip(rows, p) { sums[row.fibreCount] += x }
        return sums
    }
}

/// Where an axis stands in θ: three numbers, or one of the axes of a frame, by its rotation's four.
struct StudyAxis: Sendable {
    var place: Int
    var column: Int? = nil

    /// Unit length; 0 where θ has none.
    func direction(_ theta: UnsafePointer<Double>) -> SIMD3<Double> {
        let at = theta + place
        guard let column else { return SIMD3(at[0], at[1], at[2]) }
        let (w, x, y, z) = (at[0], at[1], at[2], at[3]), size = w * w + x * x + y * y + z * z
        return column == 0
            ? SIMD3(size - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
            : SIMD3(2 * (x * z + w * y), 2 * (y * z - w * x), size - 2 * (x * x + y * y))
    }
}
