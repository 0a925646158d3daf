import ModelSpace

/// The view of a family's draws that everything works on that draws fibres, whatever the compartments: `DrawColumn`'s
/// numbers from the P of its own.
///
/// Fibres are the members of groups that have an axis to draw (`ComponentGroup.fibreAxis`, a rotation's being its
/// first), the three of most weight in order of falling weight; an absent one has fraction 0 and direction 0, but for
/// the direction that a draw without any keeps in the first place. Diffusivity and its spread are there where all
/// compartments share one (`DrawColumn`'s own family); else they are 0.
package struct FibreColumns: Sendable {
    private struct Fibre: Sendable {
        var weight: Int, axis: Int, isRotation: Bool

        /// Unit length; 0 where the draw has none.
        func direction(_ row: UnsafePointer<Float>) -> SIMD3<Float> {
            let at = row + axis
            guard isRotation else { return SIMD3(at[0], at[1], at[2]) }
            let size = at[0] * at[0] + at[1] * at[1] + at[2] * at[2] + at[3] * at[3]
            return size > 0 ? RotationChart.axis(0, of: at) / size : SIMD3()
        }
    }
    private let fibres: [Fibre], snr: Int, scale: Int
    /// Whether the family's numbers are the view itself.
    package let isIdentity: Bool

    init(_ family: FamilyDescription, _ layout: ThetaLayout, isIdentity: Bool) {
        self.isIdentity = isIdentity
        fibres = family.groups.flatMap { group -> [Fibre] in
            guard let axis = group.fibreAxis, let weight = group.parameters.first(where: \.isLinear) else { return [] }
            let isRotation = group.parameters.contains { $0.name == axis && $0.chart == .rotation }
            return (0..<group.most).compactMap { member in
                guard let w = layout.offset(of: weight.name, in: group.name, member: member),
                    let a = layout.offset(of: axis, in: group.name, member: member)
                else { return nil }
                return Fibre(weight: w, axis: a, isRotation: isRotation)
            }
        }
        let noise = layout.noise(family)
        (scale, snr) = (noise.scale ?? 0, noise.level ?? 0)
    }

    /// Places among the P of each axis that can be drawn and is three numbers of its own.
    var axes: [Int] { fibres.filter { !$0.isRotation }.map(\.axis) }

    /// Whether a draw has a direction, if only that of a fibre that is not there.
    func hasDirection(_ row: UnsafePointer<Double>) -> Bool {
        fibres.contains { fibre in (0..<3).contains { row[fibre.axis + $0] != 0 } }
    }

    /// One draw: P numbers to `DrawColumn.count`.
    package func convert(_ row: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>) {
        out.update(repeating: 0, count: DrawColumn.count)
        (out[DrawColumn.snr], out[DrawColumn.scale]) = (row[snr], row[scale])
        var used = 0
        // Falling weight; of equal ones the first comes first.
        func heavier(_ a: Fibre, _ b: Int) -> Bool { row[a.weight] > out[DrawColumn.fraction + b] }
        for fibre in fibres where row[fibre.weight] > 0 {
            var k = used
            while k > 0, heavier(fibre, k - 1) { k -= 1 }
            guard k < DrawColumn.fibreCount else { continue }
            for j in stride(from: min(used, DrawColumn.fibreCount - 1), to: k, by: -1) {
                out[DrawColumn.fraction + j] = out[DrawColumn.fraction + j - 1]
                for c in 0..<3 { out[DrawColumn.direction + 3 * j + c] = out[DrawColumn.direction + 3 * (j - 1) + c] }
            }
            out[DrawColumn.fraction + k] = row[fibre.weight]
            let direction = fibre.direction(row)
            for c in 0..<3 { out[DrawColumn.direction + 3 * k + c] = direction[c] }
            used = min(used + 1, DrawColumn.fibreCount)
        }
        guard used == 0, let first = axes.first else { return }
        for c in 0..<3 { out[DrawColumn.direction + c] = row[first + c] }
    }
}
