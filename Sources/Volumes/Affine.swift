import CNIfTI

/// The map from voxel indices (i, j, k) to scanner coordinates in mm (RAS: x to the right, y to the front, z up).
///
/// (x, y, z, 1)ᵀ = A · (i, j, k, 1)ᵀ, with the fourth row 0 0 0 1. Voxel (0, 0, 0) is the centre of the first voxel.
public struct Affine: Equatable, Sendable {
    /// Sixteen elements, row after row.
    public var elements: [Double]

    public init(elements: [Double]) {
        precondition(elements.count == 16)
        self.elements = elements
    }

    /// The three upper rows, twelve numbers.
    public init(rows: [Double]) {
        precondition(rows.count == 12)
        elements = rows + [0, 0, 0, 1]
    }

    public static let identity = Affine(rows: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0])

    public subscript(row: Int, column: Int) -> Double {
        get { elements[4 * row + column] }
        set { elements[4 * row + column] = newValue }
    }

    /// Column c of the upper left 3×3 block: the step in mm along voxel axis c.
    public func column(_ c: Int) -> SIMD3<Double> { SIMD3(self[0, c], self[1, c], self[2, c]) }

    /// |column c|: the voxel size in mm along axis c.
    public func columnNorm(_ c: Int) -> Double {
        let v = column(c)
        return (v * v).sum().squareRoot()
    }

    /// Determinant of the upper left 3×3 block, mm³; below 0 when the voxel axes are left-handed (FSL's "radiological"
    /// storage).
    public var determinant: Double {
        let a = column(0), b = column(1), c = column(2)
        return a.x * (b.y * c.z - b.z * c.y) - b.x * (a.y * c.z - a.z * c.y) + c.x * (a.y * b.z - a.z * b.y)
    }

    /// R: the 3×3 block with every column divided by its norm, nine numbers, row after row.
    ///
    /// A direction v in voxel axes points along R·v in scanner axes. R is a rotation (times a reflection when det < 0)
    /// unless the affine shears.
    public var rotation: [Double] {
        let n = (0..<3).map(columnNorm)
        return (0..<9).map { self[$0 / 3, $0 % 3] / n[$0 % 3] }
    }

    /// Scanner coordinates in mm of a voxel position.
    public func callAsFunction(_ voxel: SIMD3<Double>) -> SIMD3<Double> {
        column(0) * voxel.x + column(1) * voxel.y + column(2) * voxel.z + SIMD3(self[0, 3], self[1, 3], self[2, 3])
    }

    /// The map from scanner coordinates to voxel indices.
    /// - Precondition: no `defect`.
    public var inverse: Affine {
        let a = column(0), b = column(1), c = column(2), d = determinant
        func cross(_ u: SIMD3<Double>, _ v: SIMD3<Double>) -> SIMD3<Double> {
            SIMD3(u.y * v.z - u.z * v.y, u.z * v.x - u.x * v.z, u.x * v.y - u.y * v.x)
        }
        let rows = [cross(b, c) / d, cross(c, a) / d, cross(a, b) / d], t = SIMD3(self[0, 3], self[1, 3], self[2, 3])
        return Affine(rows: rows.flatMap { [$0.x, $0.y, $0.z, -($0 * t).sum()] })
    }

    /// The anatomical directions in which i, j and k grow, such as "LAS"; the nearest axis for oblique images.
    public var orientationLabel: String {
        var i: Int32 = 0, j: Int32 = 0, k: Int32 = 0
        nifti_dmat44_to_orientation(dmat44, &i, &j, &k)
        let letters = ["?", "R", "L", "A", "P", "S", "I"]
        return [i, j, k].map { (1...6).contains($0) ? letters[Int($0)] : "?" }.joined()
    }

    /// What keeps this from being a usable map, or nil when it is one.
    ///
    /// Usable: every element finite and |det| ≥ 10⁻⁶ · |a||b||c|, so that the voxel axes span space.
    public var defect: String? {
        if !elements.allSatisfy(\.isFinite) { return "an element of the affine is not a finite number" }
        let volume = columnNorm(0) * columnNorm(1) * columnNorm(2)
        if !(volume > 0) || !(abs(determinant) >= 1e-6 * volume) { return "the affine is singular" }
        return nil
    }

    var dmat44: nifti_dmat44 {
        var result = nifti_dmat44()
        withUnsafeMutableBytes(of: &result.m) { $0.copyBytes(from: elements.withUnsafeBytes { Array($0) }) }
        return result
    }

    init(_ matrix: nifti_dmat44) {
        elements = withUnsafeBytes(of: matrix.m) { Array($0.bindMemory(to: Double.self)) }
    }
}

extension Affine: CustomStringConvertible {
    /// The three upper rows to three decimals, such as `[-2 0 0 107.701; 0 1.973 -0.327 -85.812; 0 0.327 1.973
    /// -52.285]`.
    public var description: String {
        "["
            + (0..<3).map { row in (0..<4).map { VolumeError.number(self[row, $0]) }.joined(separator: " ") }.joined(
                separator: "; ") + "]"
    }
}
