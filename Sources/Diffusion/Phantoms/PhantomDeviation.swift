import Foundation

extension Phantom {
    /// A phantom whose gradients deviate as a coil's do away from its centre: g becomes J g,
    ///
    ///     J = I + a (|p|² I + 2 p qᵀ)/3,     q = p + ½ (p_y, −p_x, 0)
    ///
    /// at p, the voxel's centre with the grid scaled to [−1, 1]: at the edge of a brain g is longer by up to a, and b
    /// by up to 2a. Not symmetric, so that rows and columns cannot be exchanged unnoticed.
    public func deviating(by a: Double) -> Phantom {
        var other = self
        other.deviation = a
        return other
    }

    /// Columns of J in the scanner's frame at a place of the grid.
    func gradientMatrix(at index: Int) -> (SIMD3<Double>, SIMD3<Double>, SIMD3<Double>) {
        let p = Self.place(index, shape), a = deviation / 3, q = p + 0.5 * SIMD3(p.y, -p.x, 0)
        let own = 1 + a * (p * p).sum(), step = 2 * a * p
        return (
            SIMD3(own, 0, 0) + q.x * step, SIMD3(0, own, 0) + q.y * step, SIMD3(0, 0, own) + q.z * step
        )
    }

    /// The nine numbers of HCP's `grad_dev` of voxel n: J − I in FSL's frame, column after column.
    /// - Parameter frame: that of the phantom's image.
    public func gradientDeviation(_ n: Int, _ frame: FrameConversion) -> [Float] {
        let (x, y, z) = gradientMatrix(at: indices[n])
        return [SIMD3<Double>(1, 0, 0), SIMD3(0, 1, 0), SIMD3(0, 0, 1)].flatMap { axis -> [Float] in
            let g = frame.scanner(fromFSL: axis), moved = frame.fsl(fromScanner: g.x * x + g.y * y + g.z * z) - axis
            return [Float(moved.x), Float(moved.y), Float(moved.z)]
        }
    }

    /// b and direction of a volume as the voxel at a place of the grid sees them.
    func gradient(b: Double, g: SIMD3<Double>, at index: Int) -> (b: Double, g: SIMD3<Double>) {
        guard deviation != 0, g != .zero else { return (b, g) }
        let (x, y, z) = gradientMatrix(at: index)
        let moved = g.x * x + g.y * y + g.z * z, square = (moved * moved).sum()
        return (b * square, moved / square.squareRoot())
    }
}
