SELECT
  "t2"."play_id",
  "t12"."impression_id",
  "t2"."user_id",
  "t2"."item_id",
  "t2"."played_at",
  "t12"."t0",
  COALESCE("t12"."credit", CAST(1 AS DOUBLE)) AS "credit"
FROM "plays" AS "t2"
LEFT OUTER JOIN (
  SELECT
    "t10"."play_id",
    "t10"."impression_id",
    "t10"."t0",
    "t10"."credit"
  FROM (
    SELECT
      "t9"."play_id",
      "t9"."impression_id",
      "t9"."t0",
      "t9"."place",
      CAST('1' AS DOUBLE) AS "credit"
    FROM (
      SELECT
        "t8"."play_id",
        "t8"."impression_id",
        "t8"."t0",
        ROW_NUMBER() OVER (
          PARTITION BY "t8"."play_id"
          ORDER BY "t8"."t0" DESC, LOWER(TO_HEX(MD5(TO_UTF8("t8"."impression_id")))) DESC, "t8"."impression_id" DESC
        ) - 1 AS "place"
      FROM (
        SELECT
          "t7"."play_id",
          "t7"."impression_id",
          "t7"."t0"
        FROM (
          SELECT
            "t6"."play_id",
            "t5"."impression_id",
            "t5"."t0",
            "t6"."played_at"
          FROM (
            SELECT
              "t1"."impression_id",
              "t1"."user_id",
              "t1"."item_id",
              "t1"."t0"
            FROM "impressions" AS "t1"
          ) AS "t5"
          INNER JOIN (
            SELECT
              "t0"."play_id",
              "t0"."user_id",
              "t0"."item_id",
              "t0"."played_at",
              "t0"."played_at" - INTERVAL '86400' SECOND AS "opens",
              "t0"."played_at" - INTERVAL '0' SECOND AS "closes"
            FROM "plays" AS "t0"
          ) AS "t6"
            ON "t5"."user_id" = "t6"."user_id"
            AND "t5"."item_id" = "t6"."item_id"
            AND "t5"."t0" > "t6"."opens"
            AND "t5"."t0" <= "t6"."closes"
        ) AS "t7"
      ) AS "t8"
    ) AS "t9"
    WHERE
      "t9"."place" = 0
  ) AS "t10"
) AS "t12"
  ON "t2"."play_id" = "t12"."play_id"
