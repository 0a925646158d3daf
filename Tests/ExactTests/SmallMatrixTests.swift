import CKernels
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Small positive definite matrices against their definitions.
@Suite struct SmallMatrixTests {
    static let row = SmallMatrix.stride

    /// B Bᵀ + ½ for random B, in the upper triangle; something else below it.
    static func matrix(_ d: Int, _ random: inout RandomSource) -> [Double] {
        let b = (0..<d * d).map { _ in random.normal() }
        var a = [Double](repeating: 3, count: SmallMatrix.size)
        for i in 0..<d {
            for j in i..<d { a[i * row + j] = (0..<d).reduce(i == j ? 0.5 : 0) { $0 + b[i * d + $1] * b[j * d + $1] } }
        }
        return a
    }

    @Test(arguments: 1...16)
    func factorIsOfTheMatrix(_ d: Int) {
        var random = RandomSource(seed: 5, stream: UInt64(d))
        for _ in 0..<20 {
            let a = Self.matrix(d, &random)
            var u = a
            #expect(pk_factorise(d, &u) == 1)
            var plain = (0..<d * d).map { a[min($0 / d, $0 % d) * Self.row + max($0 / d, $0 % d)] }
            #expect(Cholesky.factorise(&plain, d))
            for i in 0..<d {
                #expect(u[i * Self.row + i] > 0)
                for j in i..<d {
                    let product = (0...i).reduce(0) { $0 + u[$1 * Self.row + i] * u[$1 * Self.row + j] }
                    #expect(
                        abs(product - a[i * Self.row + j]) <= 1e-13
                            * (a[i * Self.row + i] * a[j * Self.row + j]).squareRoot())
                    #expect(plain[j * d + i] == u[i * Self.row + j])
                }
            }
        }
    }

    /// Beyond what the kernel holds.
    @Test(arguments: [17, 30, 48])
    func largerOnesAreFactorisedToo(_ d: Int) {
        var random = RandomSource(seed: 7, stream: UInt64(d))
        let b = (0..<d * d).map { _ in random.normal() }
        var a = (0..<d * d).map { at in
            (0..<d).reduce(at / d == at % d ? 0.5 : 0) { $0 + b[at / d * d + $1] * b[at % d * d + $1] }
        }
        let whole = a
        #expect(Cholesky.factorise(&a, d))
        for i in 0..<d {
            for j in 0...i {
                let product = (0...j).reduce(0) { $0 + a[i * d + $1] * a[j * d + $1] }
                #expect(abs(product - whole[i * d + j]) <= 1e-12 * (whole[i * d + i] * whole[j * d + j]).squareRoot())
            }
        }
        var not = whole
        not[(d - 1) * d + d - 1] = -1
        let before = not
        #expect(!Cholesky.factorise(&not, d) && not == before)
    }

    @Test(arguments: 1...15)
    func solutionSolves(_ d: Int) {
        var random = RandomSource(seed: 6, stream: UInt64(d))
        for _ in 0..<20 {
            let a = Self.matrix(d, &random), b = (0..<d).map { _ in random.normal() }
            var spoilt = a, x = [Double](repeating: -7, count: d + 2)
            for j in 0..<d { spoilt[j * Self.row + d] = b[j] }
            #expect(pk_solve(d, &spoilt, &x) == 1)
            for i in 0..<d {
                let terms = (0..<d).map { a[min(i, $0) * Self.row + max(i, $0)] * x[$0] }
                #expect(abs(terms.reduce(0, +) - b[i]) <= 1e-12 * terms.reduce(1) { $0 + abs($1) })
            }
            #expect(x[d] == -7 && x[d + 1] == -7)
        }
    }

    @Test func whatIsNotPositiveDefiniteIsRefused() {
        var random = RandomSource(seed: 7)
        for d in 1...15 {
            for value in [-1.0, 0, -Double.infinity, Double.infinity, Double.nan] {
                var a = Self.matrix(d, &random)
                let j = d / 2
                a[j * Self.row + j] = value
                var u = a, x = [Double](repeating: -7, count: d),
                    plain = (0..<d * d).map { a[min($0 / d, $0 % d) * Self.row + max($0 / d, $0 % d)] }
                let before = plain
                #expect(pk_factorise(d, &u) == 0 && pk_solve(d, &a, &x) == 0 && !Cholesky.factorise(&plain, d))
                #expect(x.allSatisfy { $0 == -7 } && zip(plain, before).allSatisfy { $0 == $1 || $0.isNaN })
            }
        }
    }
}
