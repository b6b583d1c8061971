SELECT
  "t8"."user_id",
  "t8"."item_id",
  "t8"."t0",
  "t8"."horizon_end",
  "t8"."treatment",
  "t8"."outcome",
  "t8"."label_kind",
  "t8"."sampling_weight" * CASE WHEN "t8"."outcome" = 1 THEN 1.0 ELSE 10.0 END AS "sampling_weight",
  "t8"."censoring_weight",
  "t8"."sampling_weight" * CASE WHEN "t8"."outcome" = 1 THEN 1.0 ELSE 10.0 END * "t8"."censoring_weight" AS "analysis_weight"
FROM (
  SELECT
    "t7"."user_id",
    "t7"."item_id",
    "t7"."t0",
    "t7"."horizon_end",
    "t7"."treatment",
    "t7"."outcome",
    "t7"."label_kind",
    "t7"."sampling_weight",
    "t7"."censoring_weight",
    "t7"."analysis_weight"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t5"."user_id",
        "t5"."item_id",
        "t5"."t0",
        "t5"."horizon_end",
        "t5"."treatment",
        "t5"."outcome",
        "t5"."label_kind",
        "t5"."sampling_weight",
        "t5"."censoring_weight",
        "t5"."analysis_weight",
        "t5"."in_sample"
      FROM (
        SELECT
          "t4"."user_id",
          "t4"."item_id",
          "t4"."t0",
          "t4"."horizon_end",
          "t4"."treatment",
          "t4"."outcome",
          "t4"."label_kind",
          "t4"."sampling_weight",
          "t4"."censoring_weight",
          "t4"."analysis_weight",
          (
            (
              (
                "t4"."sampling_draw" * "t4"."sampling_draw"
              ) % 2147483579
            ) * "t4"."sampling_draw"
          ) % 2147483579 AS "sampling_draw",
          (
            (
              (
                (
                  "t4"."sampling_draw" * "t4"."sampling_draw"
                ) % 2147483579
              ) * "t4"."sampling_draw"
            ) % 2147483579
          ) < 214748358 AS "in_sample"
        FROM (
          SELECT
            "t3"."user_id",
            "t3"."item_id",
            "t3"."t0",
            "t3"."horizon_end",
            "t3"."treatment",
            "t3"."outcome",
            "t3"."label_kind",
            "t3"."sampling_weight",
            "t3"."censoring_weight",
            "t3"."analysis_weight",
            (
              (
                (
                  (
                    (
                      "t3"."sampling_draw" * "t3"."sampling_draw"
                    ) % 2147483579
                  ) * "t3"."sampling_draw"
                ) % 2147483579
              ) + 1212310874 + 0
            ) % 2147483579 AS "sampling_draw"
          FROM (
            SELECT
              "t2"."user_id",
              "t2"."item_id",
              "t2"."t0",
              "t2"."horizon_end",
              "t2"."treatment",
              "t2"."outcome",
              "t2"."label_kind",
              "t2"."sampling_weight",
              "t2"."censoring_weight",
              "t2"."analysis_weight",
              (
                (
                  (
                    (
                      (
                        "t2"."sampling_draw" * "t2"."sampling_draw"
                      ) % 2147483579
                    ) * "t2"."sampling_draw"
                  ) % 2147483579
                ) + 486203194 + (
                  (
                    CAST(EXTRACT('epoch' FROM DATE_TRUNC('SECOND', "t2"."t0")) AS BIGINT) % 2147483579
                  ) + 2147483579
                )
              ) % 2147483579 AS "sampling_draw"
            FROM (
              SELECT
                "t1"."user_id",
                "t1"."item_id",
                "t1"."t0",
                "t1"."horizon_end",
                "t1"."treatment",
                "t1"."outcome",
                "t1"."label_kind",
                "t1"."sampling_weight",
                "t1"."censoring_weight",
                "t1"."analysis_weight",
                (
                  (
                    (
                      (
                        (
                          "t1"."sampling_draw" * "t1"."sampling_draw"
                        ) % 2147483579
                      ) * "t1"."sampling_draw"
                    ) % 2147483579
                  ) + 944639888 + (
                    (
                      "t1"."item_id" % 2147483579
                    ) + 2147483579
                  )
                ) % 2147483579 AS "sampling_draw"
              FROM (
                SELECT
                  "t0"."user_id",
                  "t0"."item_id",
                  "t0"."t0",
                  "t0"."horizon_end",
                  "t0"."treatment",
                  "t0"."outcome",
                  "t0"."label_kind",
                  "t0"."sampling_weight",
                  "t0"."censoring_weight",
                  "t0"."analysis_weight",
                  (
                    CAST(0 AS BIGINT) + 1942772008 + (
                      (
                        "t0"."user_id" % 2147483579
                      ) + 2147483579
                    )
                  ) % 2147483579 AS "sampling_draw"
                FROM "labels" AS "t0"
              ) AS "t1"
            ) AS "t2"
          ) AS "t3"
        ) AS "t4"
      ) AS "t5"
    ) AS "t6"
    WHERE
      (
        "t6"."outcome" = 1
      ) OR "t6"."in_sample"
  ) AS "t7"
) AS "t8"
