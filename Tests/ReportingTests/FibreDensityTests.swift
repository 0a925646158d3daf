import Foundation
import Inference
import Testing
import Volumes

@testable import Reporting

struct FibreDensityTests {
    private static let degree = 8

    private func coefficients(_ v: SIMD3<Double>) -> [Double] {
        let basis = SphericalHarmonics(degree: Self.degree)
        var sum = [Double](repeating: 0, count: basis.count)
        basis.add(v, weight: 1, to: &sum)
        return sum
    }

    private func unit(_ v: SIMD3<Double>) -> SIMD3<Double> { v / (v * v).sum().squareRoot() }

    private static func legendre(_ l: Int, _ t: Double) -> Double {
        var (a, b) = (1.0, t)
        for k in 1..<max(l, 1) { (a, b) = (b, (Double(2 * k + 1) * t * b - Double(k) * a) / Double(k + 1)) }
        return l == 0 ? 1 : b
    }

    /// Closed forms of degree 2 with their signs, and the addition theorem Σ_m Y_lm(u) Y_lm(v) = (2l + 1)/4π P_l(u·v)
    /// of every degree.
    @Test func harmonics() {
        let u = unit(SIMD3(0.3, -0.5, 0.8)), v = unit(SIMD3(-0.7, 0.1, 0.2)), a = coefficients(u), b = coefficients(v)
        let root = (15 / (4 * Double.pi)).squareRoot()
        let second = [
            root * u.x * u.y, -root * u.y * u.z, (5 / (16 * Double.pi)).squareRoot() * (3 * u.z * u.z - 1),
            -root * u.x * u.z, root / 2 * (u.x * u.x - u.y * u.y),
        ]
        #expect(zip(a[1...5], second).allSatisfy { abs($0 - $1) < 1e-12 })
        for l in stride(from: 0, through: Self.degree, by: 2) {
            let sum = (-l...l).reduce(0.0) { $0 + a[l * (l + 1) / 2 + $1] * b[l * (l + 1) / 2 + $1] }
            let expected = Double(2 * l + 1) / (4 * .pi) * Self.legendre(l, (u * v).sum())
            #expect(abs(sum - expected) < 1e-12, "degree \(l)")
        }
        let pole = coefficients(SIMD3(0, 0, 1))
        #expect(abs(pole[0] - 0.5 / Double.pi.squareRoot()) < 1e-12 && pole.allSatisfy(\.isFinite))
    }

    /// K(t) from its eigenvalues.
    private static let height: @Sendable (Double) -> Double = { t in
        FibreLobe(degree: degree).eigenvalues.enumerated().reduce(0) { sum, term in
            sum + term.element * Double(4 * term.offset + 1) / (4 * .pi) * legendre(2 * term.offset, t)
        }
    }

    /// The lobe is 1 at its top, nowhere below 0, half as high at 19.5°, and the sharpest of its kind: <t²> is the
    /// square of the largest zero of P_6, 0.9324695142 (Abramowitz and Stegun, table 25.4).
    @Test func lobe() {
        let values = FibreLobe(degree: Self.degree).eigenvalues
        let height = Self.height
        #expect(abs(height(1) - 1) < 1e-12 && abs(height(cos(19.5 * .pi / 180)) - 0.5) < 2e-3)
        #expect((0...1000).allSatisfy { height(Double($0) / 1000) > -1e-12 })
        // λ_2/λ_0 = <P_2> = (3<t²> − 1)/2.
        let square = (2 * values[1] / values[0] + 1) / 3
        #expect(abs(square - 0.9324695142 * 0.9324695142) < 1e-9)
    }

    /// What stands in the files is the mean of the draws' lobes: at a fibre's axis about twice its fraction, between
    /// fibres little; and DIPY's file says the same in the voxel frame.
    @Test(arguments: 0..<4) func filesHoldTheDraws(kind: Int) throws {
        let phantom = BundlePhantom(BundlePhantom.affines[kind].affine, drawCount: 10),
            folder = try OutputFolder("density-\(kind)")
        let archive = try phantom.write(to: folder.path), n = phantom.geometry.voxelsPerVolume
        try FitOutputs.write(
            archive: archive, lambda: 0.5, geometry: phantom.geometry, directory: folder.path,
            provenance: phantom.provenance(), formats: [.mrtrix, .dipy], threads: 2)
        let scanner = try readAll(folder.path + "/mrtrix/fod.mif.gz"),
            voxel = try readAll(folder.path + "/dipy/fod_sh.nii.gz")
        #expect(scanner.shape == [36, 34, 26, 45] && voxel.shape == scanner.shape)
        let r = phantom.geometry.affine.rotation
        var compared = 0
        for place in phantom.voxels.dropFirst() {
            let truth = BundlePhantom.directions(phantom.position(place))
            func amplitude(_ u: SIMD3<Double>) -> (Double, Double) {
                let turned = SIMD3(
                    r[0] * u.x + r[3] * u.y + r[6] * u.z, r[1] * u.x + r[4] * u.y + r[7] * u.z,
                    r[2] * u.x + r[5] * u.y + r[8] * u.z)
                let a = coefficients(u), b = coefficients(turned)
                var sums = (0.0, 0.0)
                for l in stride(from: 0, through: Self.degree, by: 2) {
                    for m in -l...l {
                        let middle = l * (l + 1) / 2
                        sums.0 += a[middle + m] * Double(scanner.values[(middle + m) * n + place])
                        sums.1 += b[middle + m] * Double(voxel.values[(middle - m) * n + place])
                    }
                }
                return sums
            }
            guard !truth.isEmpty else {
                #expect((0..<45).allSatisfy { scanner.values[$0 * n + place] == 0 })
                continue
            }
            for axis in truth {
                // Fractions of 0.7 in all scatter by 0.05 from draw to draw, their mean over ten draws by 5 % or less.
                let lobes = truth.reduce(0) { $0 + Self.height(($1 * axis).sum()) }
                let (own, dipy) = amplitude(axis), expected = 1.4 / Double(truth.count) * lobes
                #expect(own > 0.78 * expected && own < 1.2 * expected && abs(own - dipy) < 2e-3)
                compared += 1
            }
            if truth.count == 1 {
                let across = unit(SIMD3(truth[0].y, -truth[0].x, 0))
                #expect(abs(amplitude(across).0) < 0.03)
            }
        }
        #expect(compared > 500)
    }

    /// Vertices of DIPY's sphere: a direction's nearest vertex, of the two that name an axis, is on its own side.
    @Test func peakSphere() {
        #expect(PeakSphere.half.count == 362)
        for (i, v) in PeakSphere.half.enumerated() where i % 7 == 0 {
            #expect(PeakSphere.nearest(v) == i && PeakSphere.nearest(-v) == i + 362)
        }
        var farthest: Float = 1
        for i in 0..<500 {
            let z = Float(i) / 500, phi = 2.4 * Float(i), r = (1 - z * z).squareRoot()
            let u = SIMD3(r * cos(phi), r * sin(phi), z), k = PeakSphere.nearest(u)
            let vertex = k < 362 ? PeakSphere.half[k] : -PeakSphere.half[k - 362]
            farthest = min(farthest, (u * vertex).sum())
        }
        #expect(farthest > cos(5 * Float.pi / 180))
    }
}
