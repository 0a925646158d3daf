import CKernels
import ModelSpace

// One θ at all measurements of a series, sixteen measurements at a time: what simulation asks for, where every
// observation has its own structure. Without pulse timing every exponent is proportional to b, so that each measurement
// may have a b of its own at no more cost.

/// A series of measurements as sixteen neighbours read it: M numbers each, with room to read beyond the last.
struct MeasurementSeries {
    let count: Int
    let b, gx, gy, gz: UnsafePointer<Float>
    /// The same series for forms without a way of their own.
    let forms: () -> FormDesign

    init(_ t: AcquisitionTables) {
        (count, b, gx, gy, gz) = (t.count, t.b, t.gx, t.gy, t.gz)
        forms = { t.forms }
    }

    /// b of measurements i … i + 15, 0 beyond the last.
    @inline(__always)
    func weighting(_ i: Int) -> Lanes {
        let values = load(b + i)
        return count - i >= 16 ? values : values.replacing(with: 0, where: Self.order .>= Float(count - i))
    }

    /// (g·v) of measurements i … i + 15.
    @inline(__always)
    func cosine(_ i: Int, _ v: UnsafePointer<Double>) -> Lanes {
        load(gx + i) * Float(v[0]) + load(gy + i) * Float(v[1]) + load(gz + i) * Float(v[2])
    }

    private static let order: Lanes = Lanes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)

    /// One measurement along x with b = 1: a form's kernel for it makes of sixteen lanes whatever each of them says.
    static let single = FormDesign([DiffusionMeasurement(b: 1, g: SIMD3(1, 0, 0))])
    static let unit = Shell(b: 1, smallDelta: nil, bigDelta: nil)

    /// exp(−u), or its gamma average, of sixteen exponents.
    @inline(__always)
    static func decay(_ u: Lanes, spread: Float, into out: UnsafeMutablePointer<Float>) {
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: 2) { buffer in
            buffer[0] = u
            buffer[1] = Lanes(repeating: spread)
            let u = UnsafeRawPointer(buffer.baseAddress!).assumingMemoryBound(to: Float.self)
            withUnsafePointer(to: single.table) { pk_isotropic($0, u, spread > 0 ? u + 16 : nil, out, 16) }
        }
    }
}

/// A compartment that can do one θ at sixteen measurements at a time; others take the kernel of sixteen samples.
protocol SeriesCompartment: Compartment {
    /// M attenuations go to `out`, which has room for M + 15.
    /// - Accuracy: as of `Compartment.attenuations`.
    func attenuations(
        _ p: UnsafePointer<Double>, _ series: MeasurementSeries, spread: Double, into out: UnsafeMutablePointer<Float>)
}

extension Compartment {
    /// The same of any form by the kernel of sixteen samples, all of them this θ.
    func attenuationsByCopies(
        _ p: UnsafePointer<Double>, _ series: MeasurementSeries, spread: Double, into out: UnsafeMutablePointer<Float>
    ) {
        let design = series.forms()
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: width + 1) { numbers in
            for i in 0..<width { numbers[i] = Lanes(repeating: Float(p[i])) }
            numbers[width] = Lanes(repeating: Float(spread))
            let rho = UnsafeRawPointer(numbers.baseAddress! + width).assumingMemoryBound(to: Float.self)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: design.scratchCount + 16 * design.count) { buffer in
                let copies = buffer.baseAddress! + design.scratchCount
                attenuations(
                    numbers.baseAddress!, design, spread: spread > 0 ? rho : nil, scratch: buffer.baseAddress!,
                    into: copies, stride: 16)
                for i in 0..<design.count { out[i] = copies[16 * i] }
            }
        }
    }
}

extension Ball: SeriesCompartment {}
extension Dot: SeriesCompartment {}
extension Sphere: SeriesCompartment {}
extension IsotropicCompartment {
    func attenuations(
        _ p: UnsafePointer<Double>, _ series: MeasurementSeries, spread: Double, into out: UnsafeMutablePointer<Float>
    ) {
        let rate = Float(exponent(p, MeasurementSeries.unit))
        for i in stride(from: 0, to: series.count, by: 16) {
            MeasurementSeries.decay(series.weighting(i) * rate, spread: Float(spread), into: out + i)
        }
    }
}

extension Stick: SeriesCompartment {}
extension Zeppelin: SeriesCompartment {}
extension Cylinder: SeriesCompartment {}
extension AxialCompartment {
    func attenuations(
        _ p: UnsafePointer<Double>, _ series: MeasurementSeries, spread: Double, into out: UnsafeMutablePointer<Float>
    ) {
        let rate = exponents(p, MeasurementSeries.unit), across = Float(rate.across), along = Float(rate.along)
        for i in stride(from: 0, to: series.count, by: 16) {
            let c = series.cosine(i, p + (width - 3))
            MeasurementSeries.decay(
                series.weighting(i) * (across + along * (c * c)), spread: Float(spread), into: out + i)
        }
    }
}

extension DiffusionTensor: SeriesCompartment {
    func attenuations(
        _ p: UnsafePointer<Double>, _ series: MeasurementSeries, spread: Double, into out: UnsafeMutablePointer<Float>
    ) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 6) { t in
            tensor(p, into: t.baseAddress!)
            let d = (0..<6).map { Float(t[$0]) }
            for i in stride(from: 0, to: series.count, by: 16) {
                let x = load(series.gx + i), y = load(series.gy + i), z = load(series.gz + i)
                let diagonal = d[0] * x * x + d[1] * y * y + d[2] * z * z,
                    mixed = d[3] * x * y + d[4] * x * z + d[5] * y * z
                MeasurementSeries.decay(
                    series.weighting(i) * (diagonal + 2 * mixed), spread: Float(spread), into: out + i)
            }
        }
    }
}

extension StraightBundle: SeriesCompartment {
    func attenuations(
        _ p: UnsafePointer<Double>, _ series: MeasurementSeries, spread: Double, into out: UnsafeMutablePointer<Float>
    ) {
        let inside = term(0, p, MeasurementSeries.unit), outside = term(1, p, MeasurementSeries.unit)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) { other in
            for i in stride(from: 0, to: series.count, by: 16) {
                let c = series.cosine(i, p + 3), b = series.weighting(i)
                MeasurementSeries.decay(b * (Float(inside.along) * (c * c)), spread: 0, into: out + i)
                MeasurementSeries.decay(
                    b * (Float(outside.across) + Float(outside.along) * (c * c)), spread: 0, into: other.baseAddress!)
                store(Float(inside.weight) * load(out + i) + Float(outside.weight) * load(other.baseAddress!), out + i)
            }
        }
    }
}

extension WatsonStick: SeriesCompartment {}
extension WatsonZeppelin: SeriesCompartment {}
extension NODDIBundle: SeriesCompartment {}
extension SANDIBundle: SeriesCompartment {}
extension WatsonCompartment {
    /// The lanes are measurements, each with the coefficients of its own b; the concentration is the same in all.
    func attenuations(
        _ p: UnsafePointer<Double>, _ series: MeasurementSeries, spread: Double, into out: UnsafeMutablePointer<Float>
    ) {
        let terms = termCount, n = PK_ZONAL_TERMS * 16
        withUnsafeTemporaryAllocation(of: Double.self, capacity: n) { moments in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: 16 + 3 * 16 * terms + n + 48) { floats in
                let kappa = floats.baseAddress!, weight = kappa + 16, across = weight + 16 * terms,
                    along = across + 16 * terms
                let coefficients = along + 16 * terms, axis = coefficients + n
                store(Lanes(repeating: Float(p[width - 4].concentration)), kappa)
                pk_watson_moments(kappa, moments.baseAddress!)
                let rates = (0..<terms).map { term($0, p, MeasurementSeries.unit) }
                for (t, rate) in rates.enumerated() { store(Lanes(rate.weight), weight + 16 * t) }
                store(Lanes(0.0), axis + 16)
                store(Lanes(0.0), axis + 32)
                withKinds { kinds in
                    for i in stride(from: 0, to: series.count, by: 16) {
                        let b = series.weighting(i)
                        for (t, rate) in rates.enumerated() {
                            store(b * Float(rate.across), across + 16 * t)
                            store(b * Float(rate.along), along + 16 * t)
                        }
                        var used = pk_zonal_coefficients(
                            moments.baseAddress!, Int32(terms), kinds, weight, across, along, coefficients)
                        store(series.cosine(i, p + (width - 3)), axis)
                        withUnsafePointer(to: MeasurementSeries.single.table) {
                            pk_zonal($0, coefficients, &used, axis, out + i, 16)
                        }
                    }
                }
            }
        }
    }
}
