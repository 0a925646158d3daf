import CKernels

/// Measurements as the forms' kernels read them: sorted by shell, owned once.
///
/// Measurements belong to one shell where b, δ and Δ are the same numbers: what a shell costs (coefficients of a zonal
/// form above all) is then paid once for all of them. Derivatives cost less where measurements come shell by shell
/// (`Acquisition.shellOrder`).
public final class FormDesign: @unchecked Sendable {
    /// M.
    public let count: Int
    public let shells: [Shell]
    /// Floats of scratch memory that any form needs: its coefficients, and beyond them what else it works with (a
    /// straight bundle sixteen samples of its second part, a zonal form what its coefficients are made of).
    public let scratchCount: Int
    /// Of `WatsonCompartment.coefficients`: moments in double precision, concentrations, three numbers for each of up
    /// to three terms.
    private static var zonalCount: Int { 2 * PK_ZONAL_TERMS * 16 + 16 + 3 * 3 * 16 }
    /// Where in the scratch memory that begins.
    var scratchRest: Int { shells.count * PK_ZONAL_TERMS * 16 }
    let table: pk_form_design
    private let floats: UnsafeMutablePointer<Float>, integers: UnsafeMutablePointer<Int32>

    public init(_ measurements: [DiffusionMeasurement]) {
        let m = measurements.count
        count = m
        var seen: [Shell: Int] = [:], shells: [Shell] = [], members: [[Int]] = []
        for (i, measurement) in measurements.enumerated() {
            let shell = measurement.shell
            if let s = seen[shell] {
                members[s].append(i)
            } else {
                seen[shell] = shells.count
                shells.append(shell)
                members.append([i])
            }
        }
        self.shells = shells
        scratchCount = shells.count * PK_ZONAL_TERMS * 16 + max(16 * m, Self.zonalCount)
        floats = .allocate(capacity: max(1, 9 * m))
        integers = .allocate(capacity: m + shells.count + 1)
        let start = integers, place = integers + shells.count + 1
        start[0] = 0
        var k = 0
        for (s, list) in members.enumerated() {
            for i in list {
                let g = measurements[i].g, b = measurements[i].b
                place[k] = Int32(i)
                floats[k] = Float(g.x); floats[m + k] = Float(g.y); floats[2 * m + k] = Float(g.z)
                let products = [g.x * g.x, g.y * g.y, g.z * g.z, 2 * g.x * g.y, 2 * g.x * g.z, 2 * g.y * g.z]
                for (j, product) in products.enumerated() { floats[(3 + j) * m + k] = Float(b * product) }
                k += 1
            }
            start[s + 1] = Int32(k)
        }
        table = pk_form_design(
            measurements: m, shells: shells.count, is_sorted: (0..<m).allSatisfy { place[$0] == $0 } ? 1 : 0,
            start: start, place: place, gx: floats, gy: floats + m,
            gz: floats + 2 * m, products: floats + 3 * m)
    }

    /// The measurements shell by shell: positions.
    var order: [Int] { (0..<count).map { Int(table.place[$0]) } }

    deinit {
        floats.deallocate()
        integers.deallocate()
    }
}
