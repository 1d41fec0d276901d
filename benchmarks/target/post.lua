-- The request that wrk repeats: one customer of 180 bytes.
wrk.method = "POST"
wrk.path = "/billing/customers"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer sk_test_benchmark"
wrk.headers["Idempotency-Key"] = "00000000-0000-5000-8000-000000000000"
wrk.body = '{"balance":352397,"currency":"ZAR","email":"bram.adeyemi.1@example.com",'
  .. '"external_reference":"CUST-00000001","metadata":{"legacy_id":"00000001",'
  .. '"segment":"wholesale"},"name":"Bram Adeyemi"}'
